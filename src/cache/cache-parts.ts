import type { Clock } from '../base/clock.ts';
import type { Expiring } from '../base/expiring.ts';
import type { Log } from '../base/log.ts';
import type { TaskSet } from '../base/task-set.ts';
import type { Tell } from '../observe/content-event.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { SpoolStore } from '../storage/spool-store.ts';
import type { StoreRoom } from '../storage/store-room.ts';
import type { BlobChecks } from '../verify/blob-checks.ts';
import type { Completer } from './completion/completer.ts';
import type { Backlog } from './fills/backlog.ts';
import type { BlobFills } from './fills/blob-fills.ts';
import type { AskedManifests } from './memory/asked-manifests.ts';
import type { AwaitedContent } from './memory/awaited-content.ts';
import type { BlobLinks } from './memory/blob-links.ts';
import type { BlobSizes } from './memory/blob-sizes.ts';
import type { DoubtedDigests } from './memory/doubted-digests.ts';
import type { FreshnessPolicy } from './memory/freshness.ts';
import type { ListKeeping } from './memory/list-keeping.ts';
import type { ManifestCache } from './memory/manifest-cache.ts';
import type { MissLog } from './memory/miss-log.ts';
import type { NegativeCache } from './memory/negative-cache.ts';
import type { SmallBlobs } from './memory/small-blobs.ts';
import type { TagWalks } from './memory/tag-walks.ts';
import type { UseLog } from './memory/use-log.ts';

/** What the cached registries of one process share: memory in particular, for there may be hundreds of them. */
export interface CacheParts {
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly metadata: MetadataStore;
  /** What is finished and not durable yet. */
  readonly backlog: Backlog;
  readonly manifests: ManifestCache;
  readonly fills: BlobFills;
  /** Whose transfers are begun and shared. Absent: everybody's. */
  readonly caller?: string | undefined;
  readonly links: BlobLinks;
  readonly sizes: BlobSizes;
  readonly small: SmallBlobs;
  readonly checks: BlobChecks;
  readonly asked: AskedManifests;
  readonly awaited: AwaitedContent;
  readonly absent: NegativeCache;
  /** Tags for which upstream has just failed, and why. */
  readonly resting: Expiring<string>;
  readonly doubted: DoubtedDigests;
  readonly walks: TagWalks;
  readonly keeping: ListKeeping;
  readonly completer: Completer;
  readonly uses: UseLog;
  /** What was asked for across an air gap and is not here. */
  readonly misses: MissLog;
  /** Of what has come from upstream, and what upstream says of tags. */
  readonly tell: Tell;
  readonly tasks: TaskSet;
  readonly room: StoreRoom;
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
  /** Are the bytes of a stored blob hashed each time that they are served, and not only where its file has changed? Default: no. */
  readonly verifiesAlways?: boolean | undefined;
  /** There is no upstream (air gap): lists are what is cached. */
  readonly offline: boolean;
  /** Upstream answers for one caller alone: that it has no such tag for him says nothing to others. Default: for all. */
  readonly ofOneCaller?: boolean | undefined;
}
