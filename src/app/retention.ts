import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { Recurring } from '../base/recurring.ts';
import type { Config } from '../config/schema.ts';
import type { Tell } from '../observe/content-event.ts';
import { ImagePruner } from '../retention/image-pruner.ts';
import { emptyTrash, tidyUp } from '../retention/leaving-sweep.ts';
import type { Pruner, Selection } from '../retention/prune.ts';
import type { Operation } from '../storage/operation.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { type KeptLimits, keptLimits } from './kept-limits.ts';
import { retentionParts } from './prune.ts';
import type { Store } from './store.ts';

/** What was left for a while is looked at again. Milliseconds. */
const sweepMs = 10 * 60_000;
/** A server that has just started has better things to do. Milliseconds. */
const firstPruneMs = 60_000;

export interface RetentionSettings {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Told what is changed in the index. */
  readonly changed: (operations: readonly Operation[]) => void;
  /** Told of what has gone. */
  readonly tell?: Tell | undefined;
}

/** What is removed in the background, and what may come. */
export interface Retention extends AsyncDisposable, Pick<KeptLimits, 'room' | 'evictor' | 'space'> {
  readonly pruner: Pruner;
  /** Begins to remove what is to be removed by the clock, and to keep the limits. */
  begin(): void;
  /** The latter alone, for who fills a directory. What went for it is off the disk when this is disposed of. */
  keepLimits(): void;
}

/** Nothing is done before it is begun. Undefined: nothing can be removed, since the index is one of an earlier version. */
export function openRetention(settings: RetentionSettings): Retention | undefined {
  const { config, store, clock, log, changed, tell } = settings;
  const { graph, inventory } = store;
  if (graph === undefined) return undefined;
  const parts = retentionParts(store, config, { clock, changed, tell });
  const pruner = new ImagePruner(parts);
  const limits = keptLimits(config, { ...parts, inventory, log });
  const stack = new AsyncDisposableStack();
  const tidy = async (signal: AbortSignal): Promise<void> => await tidyUp(parts, signal);
  const { room, evictor, space } = limits;
  return {
    ...{ room, evictor, space, pruner },
    begin: () => {
      const recurrence = { firstMs: 0, pauseMs: sweepMs };
      stack.use(new Recurring('removing what was left', recurrence, tidy, { clock, log }));
      if (config.pruneConfig.enabled) stack.use(pruning(config, pruner, { clock, log }));
      limits.keep(stack);
    },
    keepLimits: () => {
      if (evictor === undefined) return;
      // Whoever looks next removes what cannot be removed now.
      stack.defer(async () => await emptyTrash(parts).catch(() => undefined));
      limits.keep(stack);
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

/** By `pruneConfig`, as the original has it. */
function pruning(
  { pruneConfig }: Config,
  pruner: ImagePruner,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Recurring {
  const dryRun = pruneConfig.dryRun ?? pruneConfig.dryrun ?? false;
  const pauseMs = pruneConfig.frequency;
  const work = async (signal: AbortSignal): Promise<void> => {
    let [images, freed] = [0, 0];
    for await (const image of pruner.prune(selectionOf(pruneConfig, clock.now()), { dryRun, signal })) {
      images += 1;
      freed += image.freed;
      const { repository, digest, tags } = image;
      log.info(
        { repository, digest, tags, freed: image.freed },
        dryRun ? 'an image would be pruned' : 'an image was pruned',
      );
    }
    log.info({ images, freed, dryRun }, 'pruning is over');
  };
  return new Recurring('pruning the cache', { firstMs: Math.min(firstPruneMs, pauseMs), pauseMs }, work, {
    clock,
    log,
  });
}

function selectionOf({ type, duration, expr, count }: Config['pruneConfig'], now: number): Selection {
  const limit = count === 0 ? {} : { limit: count };
  if (type === 'pattern') return { ...limit, matches: namePatterns(expr) };
  return type === 'created'
    ? { ...limit, createdBefore: now - duration }
    : { ...limit, notUsedSince: now - duration };
}
