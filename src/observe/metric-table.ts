/** A metric as it is described: here, at /metrics and in docs/reference/metrics.md. */
export interface MetricDescription {
  /** Behind `ociregistry_`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels?: readonly string[];
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[];
}

export const prefix = 'ociregistry_';

/** From a hit in memory to an upstream at its limits. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Our own. */
export const metrics = {
  requests: {
    name: 'requests_total',
    type: 'counter',
    help: 'Requests of clients that are over',
    labels: ['upstream', 'kind', 'result'],
  },
  sentBytes: {
    name: 'sent_bytes_total',
    type: 'counter',
    help: 'Bytes of bodies sent to clients, when their request is over',
    labels: ['upstream', 'kind'],
  },
  firstByte: {
    name: 'first_byte_seconds',
    type: 'histogram',
    help: "Time from a client's request to the first byte of the answer's body, or to its end if it has none",
    labels: ['kind', 'result'],
    buckets: seconds,
  },
  incompleteLists: {
    name: 'incomplete_lists_total',
    type: 'counter',
    help: 'Lists that were answered in part, with a Warning: upstream failed in their middle, or has more than one answer holds',
    labels: ['upstream', 'kind'],
  },
  upstreamRequests: {
    name: 'upstream_requests_total',
    type: 'counter',
    help: 'Calls of upstream registries; tries, tokens and redirects of a call are one',
    labels: ['upstream', 'kind', 'result'],
  },
  upstreamSeconds: {
    name: 'upstream_request_seconds',
    type: 'histogram',
    help: "Time until upstream's answer was here; of a blob, until its headers were",
    labels: ['upstream', 'kind'],
    buckets: seconds,
  },
  receivedBytes: {
    name: 'received_bytes_total',
    type: 'counter',
    help: 'Bytes of manifests and blobs received from upstream registries',
    labels: ['upstream', 'kind'],
  },
  quotaLimit: {
    name: 'upstream_quota_limit',
    type: 'gauge',
    help: 'Pulls that a registry allows an account in a window, as it last said; none where it says nothing, or said so longer ago than the window',
    labels: ['upstream', 'account'],
  },
  quotaRemaining: {
    name: 'upstream_quota_remaining',
    type: 'gauge',
    help: 'Pulls that were left to the account then',
    labels: ['upstream', 'account'],
  },
  fillsRunning: {
    name: 'fills_running',
    type: 'gauge',
    help: 'Blobs that are being fetched into the cache',
  },
  lookupsHung: {
    name: 'name_lookups_hung',
    type: 'gauge',
    help: 'DNS lookups that have had no answer for four seconds; each holds one of the few threads for names',
  },
  completionWaiting: {
    name: 'completion_waiting',
    type: 'gauge',
    help: 'What is still to be fetched in the background of images that were served: blobs, and manifests whose blobs or referrers are to be found',
    labels: ['upstream'],
  },
  completionOldest: {
    name: 'completion_oldest_seconds',
    type: 'gauge',
    help: 'How long the oldest of it has waited: it grows while a registry fails, limits us, or has clients that go first',
    labels: ['upstream'],
  },
  fillsAbandoned: {
    name: 'fills_abandoned',
    type: 'gauge',
    help: 'Those of them that no client waits for',
  },
  evicted: {
    name: 'evicted_images_total',
    type: 'counter',
    help: 'Images that had to give way to others',
    labels: ['reason'],
  },
  usedBytes: {
    name: 'used_bytes',
    type: 'gauge',
    help: 'Bytes of the cached manifests and blobs, as `cache.maxSize` counts them',
  },
  reservedBytes: {
    name: 'reserved_bytes',
    type: 'gauge',
    help: 'Bytes of blobs that are on their way into the cache; of those whose size nobody says, what has come and some more',
  },
  freeBytes: {
    name: 'free_bytes',
    type: 'gauge',
    help: "Bytes that are free on the cache's file system",
  },
  isStoring: {
    name: 'storing',
    type: 'gauge',
    help: '1; 0 while the cache is full and nothing more may be evicted: blobs pass through then',
  },
  missed: {
    name: 'air_gap_misses_total',
    type: 'counter',
    help: 'Manifests that were asked for with airGapped and are not cached; `ociregistry wanted` names them',
  },
  checkedBlobs: {
    name: 'checked_blobs_total',
    type: 'counter',
    help: 'Stored blobs and manifests that were hashed again: blobs whose file has changed, and all of them by cache.scrub',
    labels: ['by', 'verdict'],
  },
  eventsWaiting: {
    name: 'events_waiting',
    type: 'gauge',
    help: 'Events that an endpoint of `notifications` is still to be told',
    labels: ['endpoint'],
  },
  events: {
    name: 'events_total',
    type: 'counter',
    help: 'Events that an endpoint was told, or never will be: for too many waited, or it refused them again and again',
    labels: ['endpoint', 'result'],
  },
  eventFailures: {
    name: 'event_failures_total',
    type: 'counter',
    help: 'Tries to tell an endpoint that failed; what it was to be told is tried again',
    labels: ['endpoint'],
  },
  synced: {
    name: 'catalog_sync_tags_total',
    type: 'counter',
    help: 'Cached tags that `catalogSync` has asked their registries about',
    labels: ['result'],
  },
  buildInfo: {
    name: 'build_info',
    type: 'gauge',
    help: 'Always 1; the version is in the label',
    labels: ['version'],
  },
} as const satisfies Readonly<Record<string, MetricDescription>>;

/** Those of Ociregistry 1.17, for its dashboards: names, types and labels as there, even where Prometheus advises otherwise. */
export const originalMetrics = {
  cachedPulls: {
    name: 'cached_pulls_by_ns_total',
    type: 'counter',
    help: 'Requests of manifests that the cache answered (hit, revalidated or stale)',
    labels: ['ns'],
  },
  upstreamPulls: {
    name: 'upstream_pulls_by_ns',
    type: 'counter',
    help: 'Requests of manifests that upstream answered (miss or collapsed)',
    labels: ['ns'],
  },
  manifestPulls: { name: 'manifest_pulls_total', type: 'counter', help: 'Requests of manifests' },
  blobPulls: { name: 'blob_pulls_total', type: 'counter', help: 'Requests of blobs' },
  endpointHits: {
    name: 'v2_api_endpoint_hits_total',
    type: 'counter',
    help: 'Requests of endpoints of the distribution API',
  },
  apiErrors: {
    name: 'api_errors_total',
    type: 'counter',
    help: 'Requests of endpoints of the distribution API that ended in an error',
  },
  manifests: {
    name: 'cached_manifest_count',
    type: 'gauge',
    help: 'Cached manifests; one that two repositories have counts twice',
  },
  manifestBytes: {
    name: 'manifest_bytes_on_disk_total',
    type: 'gauge',
    help: 'Bytes of the cached manifests, counted likewise',
  },
  blobs: {
    name: 'cached_blob_count',
    type: 'gauge',
    help: 'Cached blobs that are no manifests; each counts once',
  },
  blobBytes: {
    name: 'blob_bytes_on_disk_total',
    type: 'gauge',
    help: 'Bytes of the cached blobs, as far as a cached manifest gives their size',
  },
} as const satisfies Readonly<Record<string, MetricDescription>>;

/** What each value of a label means. */
export const labelValues = {
  upstream:
    'the host of a configured registry, or of one of the first 20 others that answered; `other` for the rest; `none` where no registry was named',
  ns: 'the same as `upstream`',
  kind: '`manifest`, `blob`, `tags`, `referrers`, `catalog`, `version`, `uploads`, `other` (no endpoint of the API)',
  result:
    '`hit`, `miss`, `collapsed` (joined the fetch of another request), `revalidated`, `stale`, `local` (needed neither cache nor upstream); of a call of upstream `ok`; failures: `absent` (404), `denied` (401, 403), `limited` (429), `invalid` (other 4xx), `error` (5xx, or broken off by us), `cut` (whoever asked has left); of events `sent` or `dropped`; of tags that were compared `unchanged`, `moved`, `gone` or `failed`',
  account:
    'the place of the account in `auth` of the registry, from 1: first `user` or `token`, if there is one, then `accounts` in turn',
  reason: 'which limit the cache was over: `maxSize`, `registry` (the `maxSize` of one registry), `minFree`',
  by: '`read` (somebody asked for the blob) or `scrub`',
  verdict:
    '`right`; `wrong`: other bytes, put aside and fetched again; `missing`: its file is gone; `unreadable`: the disk does not give it',
  endpoint: 'the host of an endpoint of `notifications`',
  version: 'the version of the program',
} as const;
