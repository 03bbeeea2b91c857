import type { AskedManifests } from '../cache/asked-manifests.ts';
import type { Backlog } from '../cache/backlog.ts';
import type { BlobFills } from '../cache/blob-fills.ts';
import type { BlobLinks } from '../cache/blob-links.ts';
import type { BlobSizes } from '../cache/blob-sizes.ts';
import type { Completer } from '../cache/completer.ts';
import type { DoubtedDigests } from '../cache/doubted-digests.ts';
import type { FreshnessPolicy } from '../cache/freshness.ts';
import type { ManifestCache } from '../cache/manifest-cache.ts';
import type { NegativeCache } from '../cache/negative-cache.ts';
import type { RestingTags } from '../cache/resting-tags.ts';
import type { TagWalks } from '../cache/tag-walks.ts';
import type { TaskSet } from '../cache/task-set.ts';
import type { UseLog } from '../cache/use-log.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';

/** What the cached registries of one process share: memory in particular, for there may be hundreds of them. */
export interface CacheParts {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  /** What is finished and not durable yet. */
  readonly backlog: Backlog;
  readonly manifests: ManifestCache;
  readonly fills: BlobFills;
  readonly links: BlobLinks;
  readonly sizes: BlobSizes;
  readonly asked: AskedManifests;
  readonly absent: NegativeCache;
  readonly resting: RestingTags;
  readonly doubted: DoubtedDigests;
  readonly walks: TagWalks;
  readonly completer: Completer;
  readonly uses: UseLog;
  readonly tasks: TaskSet;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

/** How one registry is cached; durations in milliseconds. */
export interface CachePolicy {
  readonly freshness: FreshnessPolicy;
  /** Serve what is cached when upstream cannot be asked. */
  readonly staleIfError: boolean;
  /** May upstream be asked about a cached tag now? Not while it lets us ask so little that it is kept for misses. Default: yes. */
  readonly mayRevalidate?: (() => boolean) | undefined;
  /** How long upstream may take when there is something stale to serve. */
  readonly staleDeadline: number;
  /** What to answer when upstream says that a cached tag is gone. */
  readonly onGone: 'serve' | 'notFound';
  /** How long a 404 is remembered; 0: not at all. */
  readonly negativeTtl: number;
  /** Fetch the rest of a served image in the background; `referrers`: and what refers to it. */
  readonly complete: boolean | 'referrers';
  /** Of its blobs so many are fetched at a time that no client waits for any more. Default: 16. */
  readonly maxAbandoned?: number | undefined;
  /** There is no upstream (air gap): lists are what is cached. */
  readonly offline: boolean;
}
