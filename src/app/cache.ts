import { AskedManifests } from '../cache/asked-manifests.ts';
import { Backlog } from '../cache/backlog.ts';
import { BlobFills } from '../cache/blob-fills.ts';
import { BlobLinks } from '../cache/blob-links.ts';
import { BlobSizes } from '../cache/blob-sizes.ts';
import { Completer, type CompleterSettings } from '../cache/completer.ts';
import { sweepIncomplete } from '../cache/completion-sweep.ts';
import { DoubtedDigests } from '../cache/doubted-digests.ts';
import { ManifestCache } from '../cache/manifest-cache.ts';
import { NegativeCache } from '../cache/negative-cache.ts';
import { RestingTags } from '../cache/resting-tags.ts';
import { TagWalks } from '../cache/tag-walks.ts';
import { TaskSet } from '../cache/task-set.ts';
import { UseLog } from '../cache/use-log.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { CacheParts } from '../registry/cache-parts.ts';
import type { MemoryPlan } from './memory-plan.ts';
import type { Store } from './store.ts';

export interface CacheSettings {
  readonly store: Pick<Store, 'blobs' | 'metadata' | 'changed'>;
  readonly memory: Pick<MemoryPlan, 'manifests' | 'lists'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly random: () => number;
  /** A step of completing an image, by its registry. */
  readonly complete: CompleterSettings['work'];
}

/** What all cached registries of the process share; takes up what an earlier process did not complete. Disposing ends fills and background work, in that order. */
export function openCache(settings: CacheSettings): CacheParts & AsyncDisposable {
  const { store, memory, clock, log } = settings;
  const { blobs, metadata, changed } = store;
  const stack = new AsyncDisposableStack();
  const tasks = stack.use(new TaskSet(log));
  const uses = stack.use(new UseLog(metadata, clock, tasks));
  const fills = new BlobFills(clock, log);
  const sizes = new BlobSizes(metadata);
  const backlog = new Backlog(clock);
  const completer = new Completer({
    work: settings.complete,
    isBusy: (host) => fills.isBusy(host),
    clock,
    log,
  });
  stack.use(completer);
  stack.use(fills);
  const stop = new AbortController();
  stack.defer(() => stop.abort());
  tasks.run('taking up what was not completed', async () => {
    await sweepIncomplete({ metadata, completer, clock, log }, stop.signal);
  });
  return {
    blobs,
    metadata,
    clock,
    log,
    random: settings.random,
    tasks,
    uses,
    fills,
    completer,
    backlog,
    manifests: new ManifestCache({
      ...{ blobs, metadata, sizes, backlog, tasks, clock, log, changed },
      maxBytes: memory.manifests,
    }),
    links: new BlobLinks(metadata, log),
    sizes,
    asked: new AskedManifests(clock),
    absent: new NegativeCache(clock),
    resting: new RestingTags(clock),
    doubted: new DoubtedDigests(),
    walks: new TagWalks(clock, memory.lists),
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}
