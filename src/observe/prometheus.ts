import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from '@prometheus-io/client';
import { histogramText } from './histogram.ts';
import { type MetricDescription, metrics, originalMetrics, prefix } from './metric-table.ts';
import type { AccountQuota, CompletionState, Observer, RequestResult } from './observer.ts';
import { RequestTallies, type Tally } from './request-tallies.ts';
import type { UpstreamLabels } from './upstream-labels.ts';

/** What the cache holds. */
interface CacheContent {
  readonly manifests: number;
  readonly manifestBytes: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

/** Stored files that were hashed again. */
interface CheckCount {
  readonly by: string;
  readonly verdict: string;
  readonly count: number;
}

/** What is asked when somebody scrapes. */
export interface MetricSources {
  readonly version: string;
  readonly fillsRunning: () => number;
  readonly lookupsHung: () => number;
  readonly fillsAbandoned: () => number;
  readonly missed: () => number;
  readonly quotas: () => Iterable<AccountQuota>;
  readonly completion: () => Iterable<CompletionState>;
  readonly checks: () => Iterable<CheckCount>;
  readonly content: () => Promise<CacheContent>;
  readonly room: RoomState;
  readonly notified: () => Promise<readonly NotifiedState[]>;
  /** Tags that were compared with their registries, by what became of them. */
  readonly synced: () => Readonly<Record<string, number>>;
}

/** What an endpoint of notifications has been told. */
interface NotifiedState {
  readonly endpoint: string;
  readonly waiting: number;
  readonly sent: number;
  readonly failed: number;
  readonly dropped: number;
}

/** What keeps the cache within its limits. Bytes. */
interface RoomState {
  readonly reserved: () => number;
  readonly free: () => Promise<number>;
  readonly isStoring: () => boolean;
  /** Images by the reason why they had to go. */
  readonly evicted: () => Readonly<Record<string, number>>;
}

export interface Prometheus {
  readonly observer: Observer;
  readonly contentType: string;
  /** All metrics in Prometheus's text format. */
  text(): Promise<string>;
}

const cached: ReadonlySet<RequestResult> = new Set(['hit', 'revalidated', 'stale']);
const filled: ReadonlySet<RequestResult> = new Set(['miss', 'collapsed']);
const noError: ReadonlySet<RequestResult> = new Set([...cached, ...filled, 'local', 'cut']);
/** Of the library's metrics of Node those that others say better, under names that Prometheus advises against. */
const unwanted = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  'nodejs_eventloop_utilization_summary',
  'nodejs_eventloop_utilization_histogram',
];
/** The longest that a timer takes; milliseconds. What is measured by it is unwanted. */
const never = 2 ** 31 - 1;

/** Metrics in a registry of their own: two programs in one process do not meet. */
export function openPrometheus(labels: UpstreamLabels, sources: MetricSources): Prometheus {
  const registry = new Registry();
  const tallies = new RequestTallies();
  addRequests(registry, tallies);
  addOriginal(registry, tallies);
  addGauges(registry, sources);
  addRoom(registry, sources);
  addQuota(registry, metrics.quotaLimit, labels, sources, ({ limit }) => limit);
  addQuota(registry, metrics.quotaRemaining, labels, sources, ({ remaining }) => remaining);
  addCompletion(
    registry,
    metrics.completionWaiting,
    labels,
    sources,
    (before, { waiting }) => before + waiting,
  );
  addCompletion(registry, metrics.completionOldest, labels, sources, (before, { oldestMs }) =>
    Math.max(before, oldestMs / 1000),
  );
  addChecks(registry, sources);
  addNotified(registry, sources);
  addCounts(registry, metrics.synced, 'result', sources.synced);
  collectDefaultMetrics({ register: registry, eventLoopUtilizationTimeout: never });
  for (const name of unwanted) registry.removeSingleMetric(name);
  return {
    observer: observerOf(registry, tallies, labels),
    contentType: registry.contentType,
    text: async () => `${await registry.metrics()}\n${histogramText(metrics.firstByte, tallies.firstBytes)}`,
  };
}

function observerOf(registry: Registry, tallies: RequestTallies, labels: UpstreamLabels): Observer {
  const incomplete = new Counter<string>(config(registry, metrics.incompleteLists));
  const calls = new Counter<string>(config(registry, metrics.upstreamRequests));
  const latency = new Histogram<string>(config(registry, metrics.upstreamSeconds));
  const received = new Counter<string>(config(registry, metrics.receivedBytes));
  return {
    request: ({ host, kind, result, bytes, firstByteSeconds, isIncomplete }) => {
      const upstream = labels.of(host, cached.has(result) || filled.has(result));
      const tally = tallies.of(upstream, kind, result);
      tally.requests += 1;
      tally.bytes += bytes;
      tally.firstByte.add(firstByteSeconds);
      if (isIncomplete === true) incomplete.inc({ upstream, kind });
    },
    upstreamCall: ({ host, kind, result, seconds }) => {
      const upstream = labels.of(host, result === 'ok');
      calls.inc({ upstream, kind, result });
      latency.observe({ upstream, kind }, seconds);
    },
    upstreamBytes: (host, kind, bytes) => received.inc({ upstream: labels.of(host, true), kind }, bytes),
  };
}

function addRequests(registry: Registry, tallies: RequestTallies): void {
  addSum(registry, tallies, metrics.requests, ({ upstream, kind, result, requests }) => [
    { upstream, kind, result },
    requests,
  ]);
  addSum(registry, tallies, metrics.sentBytes, ({ upstream, kind, bytes }) =>
    bytes === 0 ? undefined : [{ upstream, kind }, bytes],
  );
}

/** The original's counters are sums over the same tallies. */
function addOriginal(registry: Registry, tallies: RequestTallies): void {
  const add = (description: MetricDescription, counts: (tally: Tally) => boolean): void =>
    addSum(registry, tallies, description, (tally) => {
      if (!counts(tally)) return undefined;
      return [description.labels === undefined ? {} : { ns: tally.upstream }, tally.requests];
    });
  const { cachedPulls, upstreamPulls, manifestPulls, blobPulls, endpointHits, apiErrors } = originalMetrics;
  add(cachedPulls, ({ kind, result }) => kind === 'manifest' && cached.has(result));
  add(upstreamPulls, ({ kind, result }) => kind === 'manifest' && filled.has(result));
  add(manifestPulls, ({ kind }) => kind === 'manifest');
  add(blobPulls, ({ kind }) => kind === 'blob');
  add(endpointHits, ({ kind }) => kind !== 'other');
  add(apiErrors, ({ kind, result }) => kind !== 'other' && !noError.has(result));
}

/** A counter that is made up of the tallies when it is asked for; `part`: what one of them adds, and where. */
function addSum(
  registry: Registry,
  tallies: RequestTallies,
  description: MetricDescription,
  part: (tally: Tally) => [labels: Record<string, string>, value: number] | undefined,
): void {
  new Counter<string>({
    ...config(registry, description),
    collect() {
      this.reset();
      for (const tally of tallies.all()) {
        const added = part(tally);
        if (added !== undefined) this.inc(...added);
      }
    },
  });
}

function addGauges(
  registry: Registry,
  { version, fillsRunning, fillsAbandoned, lookupsHung, missed, content }: MetricSources,
): void {
  const { manifests, manifestBytes, blobs, blobBytes } = originalMetrics;
  addGauge(registry, manifests, async () => (await content()).manifests);
  addGauge(registry, manifestBytes, async () => (await content()).manifestBytes);
  addGauge(registry, blobs, async () => (await content()).blobs);
  addGauge(registry, blobBytes, async () => (await content()).blobBytes);
  addGauge(registry, metrics.fillsRunning, fillsRunning);
  addGauge(registry, metrics.lookupsHung, lookupsHung);
  addGauge(registry, metrics.fillsAbandoned, fillsAbandoned);
  addCount(registry, metrics.missed, missed);
  new Gauge<string>(config(registry, metrics.buildInfo)).set({ version }, 1);
}

function addRoom(registry: Registry, { content, room }: MetricSources): void {
  addGauge(registry, metrics.usedBytes, async () => {
    const { manifestBytes, blobBytes } = await content();
    return manifestBytes + blobBytes;
  });
  addGauge(registry, metrics.reservedBytes, room.reserved);
  addGauge(registry, metrics.freeBytes, room.free);
  addGauge(registry, metrics.isStoring, () => (room.isStoring() ? 1 : 0));
  addCounts(registry, metrics.evicted, 'reason', room.evicted);
}

/** By the values of a label. */
function addCounts(
  registry: Registry,
  description: MetricDescription,
  label: string,
  counts: () => Readonly<Record<string, number>>,
): void {
  new Counter<string>({
    ...config(registry, description),
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(counts())) this.inc({ [label]: value }, count);
    },
  });
}

/** What shares the label `other` shares no value: it is left out. */
function addQuota(
  registry: Registry,
  description: MetricDescription,
  labels: UpstreamLabels,
  { quotas }: MetricSources,
  value: (quota: AccountQuota) => number,
): void {
  new Gauge<string>({
    ...config(registry, description),
    collect() {
      this.reset();
      for (const quota of quotas()) {
        const upstream = labels.of(quota.host, true);
        if (upstream !== 'other') this.set({ upstream, account: String(quota.account) }, value(quota));
      }
    },
  });
}

/** `add`: what a registry adds to the value of its label, which others may share. */
function addCompletion(
  registry: Registry,
  description: MetricDescription,
  labels: UpstreamLabels,
  { completion }: MetricSources,
  add: (before: number, state: CompletionState) => number,
): void {
  new Gauge<string>({
    ...config(registry, description),
    collect() {
      this.reset();
      const values = new Map<string, number>();
      for (const state of completion()) {
        const upstream = labels.of(state.host, true);
        values.set(upstream, add(values.get(upstream) ?? 0, state));
      }
      for (const [upstream, value] of values) this.set({ upstream }, value);
    },
  });
}

function addChecks(registry: Registry, { checks }: MetricSources): void {
  new Counter<string>({
    ...config(registry, metrics.checkedBlobs),
    collect() {
      this.reset();
      for (const { by, verdict, count } of checks()) this.inc({ by, verdict }, count);
    },
  });
}

function addNotified(registry: Registry, { notified }: MetricSources): void {
  const waiting = metrics.eventsWaiting;
  new Gauge<string>({
    ...config(registry, waiting),
    async collect() {
      const states = await notified();
      this.reset();
      for (const { endpoint, waiting: count } of states) this.inc({ endpoint }, count);
    },
  });
  new Counter<string>({
    ...config(registry, metrics.events),
    async collect() {
      const states = await notified();
      this.reset();
      for (const { endpoint, sent, dropped } of states) {
        this.inc({ endpoint, result: 'sent' }, sent);
        this.inc({ endpoint, result: 'dropped' }, dropped);
      }
    },
  });
  new Counter<string>({
    ...config(registry, metrics.eventFailures),
    async collect() {
      const states = await notified();
      this.reset();
      for (const { endpoint, failed } of states) this.inc({ endpoint }, failed);
    },
  });
}

function addGauge(
  registry: Registry,
  description: MetricDescription,
  value: () => number | Promise<number>,
): void {
  new Gauge({
    ...config(registry, description),
    async collect() {
      this.set(await value());
    },
  });
}

/** A counter that is kept elsewhere. */
function addCount(registry: Registry, description: MetricDescription, value: () => number): void {
  new Counter({
    ...config(registry, description),
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}

function config(registry: Registry, { name, help, labels = [], buckets }: MetricDescription) {
  return {
    name: `${prefix}${name}`,
    help,
    labelNames: labels,
    registers: [registry],
    ...(buckets !== undefined && { buckets: [...buckets] }),
  };
}
