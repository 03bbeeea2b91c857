import { statfs } from 'node:fs/promises';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Tell } from '../observe/content-event.ts';
import { canonicalHost } from '../oci/docker-hub.ts';
import { parseRegistryHost } from '../oci/reference.ts';
import { Evictor } from '../retention/evictor.ts';
import { ImagePruner } from '../retention/image-pruner.ts';
import { emptyTrash, sweepLeaving } from '../retention/leaving-sweep.ts';
import { type FileSystemSpace, isLimited, type Limits } from '../retention/limits.ts';
import type { Pruner, Selection } from '../retention/prune.ts';
import { Recurring } from '../retention/recurring.ts';
import { ReservedRoom } from '../retention/reserved-room.ts';
import type { Operation } from '../storage/operation.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { retentionParts } from './prune.ts';
import type { Store } from './store.ts';

/** What was left for a while is looked at again. Milliseconds. */
const sweepMs = 10 * 60_000;
/** Whether there is room is looked at so often, and after so short a pause where more is to come; milliseconds. */
const lookMs = 10_000;
const soonMs = 1000;
/** A server that has just started has better things to do. Milliseconds. */
const firstPruneMs = 60_000;
/** Shorter than for whoever prunes: where clients wait for room, what they bring has to give way again. Milliseconds. */
const evictionGraceMs = 60_000;

export interface RetentionSettings {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  /** Told of changes of the index, for whoever remembers what it said. */
  readonly told: (operations: readonly Operation[]) => void;
  /** Told of what has gone. */
  readonly tell?: Tell | undefined;
}

/** What is removed in the background, and what may come. */
export interface Retention extends AsyncDisposable {
  readonly room: ReservedRoom;
  readonly evictor: Evictor | undefined;
  readonly pruner: Pruner;
  /** Of the file system. */
  readonly space: () => Promise<FileSystemSpace>;
  /** Begins with it. */
  begin(): void;
}

/** Nothing is done before it is begun. Undefined: nothing can be removed, since the index is one of an earlier version. */
export function openRetention(settings: RetentionSettings): Retention | undefined {
  const { config, store, clock, log, told, tell } = settings;
  if (store.graph === undefined) return undefined;
  const parts = retentionParts(store, config, { clock, told, tell });
  const pruner = new ImagePruner(parts);
  const limits = limitsOf(config);
  const space = async () => await spaceOf(config.imagePath);
  const stack = new AsyncDisposableStack();
  let evictor: Evictor | undefined;
  let looks: Recurring | undefined;
  const room = new ReservedRoom(
    limits,
    (host) => evictor?.isStuckFor(host) === true,
    () => looks?.soon(soonMs),
  );
  const { inventory } = store;
  if (isLimited(limits))
    evictor = new Evictor({
      ...parts,
      graceMs: evictionGraceMs,
      inventory,
      limits,
      space,
      reserved: room,
      log,
    });
  const begin = (): void => {
    const tidy = async (signal: AbortSignal): Promise<void> => {
      await sweepLeaving(parts, signal);
      await emptyTrash(parts, signal);
    };
    stack.use(
      new Recurring('removing what was left', { firstMs: 0, pauseMs: sweepMs }, tidy, { clock, log }),
    );
    if (config.pruneConfig.enabled) stack.use(pruning(config, pruner, { clock, log }));
    if (evictor === undefined) return;
    const run = async (signal: AbortSignal): Promise<void> => await evictor.run(signal);
    looks = stack.use(new Recurring('evicting images', { firstMs: 0, pauseMs: lookMs }, run, { clock, log }));
  };
  return {
    room,
    evictor,
    pruner,
    space,
    begin,
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

function limitsOf({ cache, registries }: Config): Limits {
  const own = registries.flatMap(({ name, cache: its }) =>
    its.maxSize === undefined || its.maxSize === 0
      ? []
      : [[canonicalHost(parseRegistryHost(name)), its.maxSize] as const],
  );
  return { maxSize: cache.maxSize, minFree: cache.minFree, registries: new Map(own) };
}

async function spaceOf(path: string): Promise<FileSystemSpace> {
  const { bsize, blocks, bavail } = await statfs(path);
  return { size: bsize * blocks, free: bsize * bavail };
}
