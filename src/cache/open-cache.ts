import type { Clock } from '../base/clock.ts';
import { Expiring } from '../base/expiring.ts';
import type { Log } from '../base/log.ts';
import { TaskSet } from '../base/task-set.ts';
import type { Tell } from '../observe/content-event.ts';
import { verifyWhole } from '../oci/digest.ts';
import type { ContentStore } from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { type Changes, noteCheck } from '../storage/operation.ts';
import type { SpoolStore } from '../storage/spool-store.ts';
import { type StoreRoom, unlimitedRoom } from '../storage/store-room.ts';
import { BlobChecks } from '../verify/blob-checks.ts';
import type { CacheParts } from './cache-parts.ts';
import { Completer, type CompleterSettings } from './completion/completer.ts';
import { sweepIncomplete } from './completion/completion-sweep.ts';
import { Backlog } from './fills/backlog.ts';
import { BlobFills } from './fills/blob-fills.ts';
import { AskedManifests } from './memory/asked-manifests.ts';
import { AwaitedContent } from './memory/awaited-content.ts';
import { BlobLinks } from './memory/blob-links.ts';
import { BlobSizes } from './memory/blob-sizes.ts';
import { DoubtedDigests } from './memory/doubted-digests.ts';
import { ListKeeping } from './memory/list-keeping.ts';
import { LostFiles } from './memory/lost-files.ts';
import { ManifestCache } from './memory/manifest-cache.ts';
import { forgetIn } from './memory/memory.ts';
import { MissLog } from './memory/miss-log.ts';
import { NegativeCache } from './memory/negative-cache.ts';
import { SmallBlobs } from './memory/small-blobs.ts';
import { TagWalks } from './memory/tag-walks.ts';
import { UseLog } from './memory/use-log.ts';
import { tellingOfStoreOnce } from './store-faults.ts';

/** So many tags are remembered for which upstream has just failed. */
const maxResting = 10_000;

/** Where the cache keeps bytes and what is known of them. */
interface CacheStore {
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly metadata: MetadataStore;
  /** Says that tags have changed, for other tools that read the directory. */
  readonly changed: () => void;
}

export interface CacheSettings {
  readonly store: CacheStore;
  /** What may be kept in memory only to be fast: manifests and small blobs asked for lately, lists of tags read lately. Bytes. */
  readonly memory: { readonly manifests: number; readonly smallBlobs?: number; readonly lists: number };
  /** Transfers that no client waits for, and what waits for the disk: so many at a time, each with a file. Default: those of a process that may open many. */
  readonly files?: { readonly abandoned: number; readonly waiting: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** What may come into the store. Default: what the disk has room for. */
  readonly room?: StoreRoom | undefined;
  /** Told of what has come from upstream, and what upstream says of tags. Default: nobody is. */
  readonly tell?: Tell | undefined;
  /** A step of completing an image, by its registry. */
  readonly complete: CompleterSettings['work'];
}

export interface OpenCache extends CacheParts, AsyncDisposable {
  /** Begins to take up what an earlier process did not complete, and looks for more of it now and then. */
  takeUp(): void;
  /** To be told what this process has changed in the index beside the cache. */
  forget(changes: Changes): void;
}

/** What all cached registries of the process share, put together in the one way that there is. Disposing ends fills and background work, in that order. */
export function openCache(settings: CacheSettings): OpenCache {
  const { store, memory, clock, tell = () => {} } = settings;
  const { content, spools, metadata, changed } = store;
  const stack = new AsyncDisposableStack();
  const log = tellingOfStoreOnce(settings.log, clock, stack);
  const tasks = stack.use(new TaskSet(log));
  const uses = stack.use(new UseLog(metadata, clock, tasks));
  const misses = stack.use(new MissLog(metadata, clock, tasks));
  const fills = new BlobFills(clock, log, settings.files?.abandoned);
  const sizes = new BlobSizes(metadata);
  const backlog = new Backlog(clock, settings.files?.waiting);
  const completer = new Completer({
    work: settings.complete,
    isBusy: (host) => fills.isBusy(host),
    clock,
    log,
  });
  stack.use(completer);
  stack.use(fills);
  const manifests = new ManifestCache({
    ...{ content, metadata, sizes, backlog, tasks, clock, log, changed, tell },
    maxBytes: memory.manifests,
  });
  const links = new BlobLinks(metadata, log);
  const room = settings.room ?? unlimitedRoom;
  const small = new SmallBlobs(memory.smallBlobs, (digest) => lost.look(digest));
  const lost = new LostFiles({
    ...{ content, metadata, room, tasks, log },
    what: 'blob',
    write: async (digest, bytes) => await content.keep(verifyWhole(digest, bytes), bytes),
    owners: async (digest) =>
      (await metadata.listOwners(digest, 1, 'blob')).map(({ repository }) => repository),
    bytesOf: (_, digest) => small.peek(digest),
    removed: (digest) => small.removed(digest),
  });
  const checks = stack.use(
    new BlobChecks({
      ...{ content, clock, tasks },
      right: async ({ digest, size, stamp }) => {
        if (stamp !== undefined && sizes.settle(digest, size, stamp))
          await metadata.change([noteCheck(digest, size, stamp)]);
      },
      wrong: async ({ blob, repository, since }) => {
        const { digest } = blob;
        tasks.run('unlinking a blob', async () => await links.lose(digest, since, 'wrong'));
        const kept = await content.setAside(blob);
        log.error(
          { digest, repository, kept },
          'a cached blob has other bytes than it had: fetching it again',
        );
      },
    }),
  );
  const awaited = new AwaitedContent();
  const forget = (changes: Changes): void => forgetIn([manifests, links, sizes, small, awaited], changes);
  stack.use(metadata.watch(forget));
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  // What is left to be written may have to wait for somebody's lock, or for the disk, and we for it.
  stack.defer(() => {
    metadata.hurry();
    spools.hurry();
  });
  return {
    content,
    spools,
    metadata,
    clock,
    log,
    random: settings.random,
    room,
    tasks,
    uses,
    misses,
    tell,
    fills,
    completer,
    backlog,
    manifests,
    links,
    sizes,
    small,
    checks,
    asked: new AskedManifests(clock),
    awaited,
    absent: new NegativeCache(clock),
    resting: new Expiring(clock, maxResting),
    doubted: new DoubtedDigests(),
    walks: new TagWalks(clock, memory.lists),
    keeping: new ListKeeping(tasks, memory.lists),
    forget,
    takeUp: () =>
      tasks.run('taking up what was not completed', async () => {
        await sweepIncomplete({ metadata, completer, clock, log }, stop.signal);
      }),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}
