import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Tell } from '../observe/content-event.ts';
import { ImagePruner, usualGraceMs } from '../retention/image-pruner.ts';
import { tidyUp } from '../retention/leaving-sweep.ts';
import { Pins } from '../retention/pins.ts';
import type { Removed, Selection } from '../retention/prune.ts';
import type { Operation } from '../storage/operation.ts';
import { tellerOf } from './index-changes.ts';
import { memoryPlan } from './memory-plan.ts';
import { nothingCached } from './nothing-cached.ts';
import { openNotifying } from './notifying.ts';
import { filePlan } from './open-files.ts';
import { restoringOf } from './restoring.ts';
import { openStore, type Store } from './store.ts';

export interface PruneParts {
  readonly log: Log;
  readonly clock?: Clock;
  readonly signal: AbortSignal;
  /** Default: ten minutes. Milliseconds. */
  readonly graceMs?: number;
}

/** What removes images from a store. Throws where nothing can be removed from it. */
export function retentionParts(
  store: Store,
  { cache, registries }: Config,
  { clock, graceMs = usualGraceMs, changed, tell }: RetentionNeeds,
) {
  const { graph, metadata, discarded } = store;
  if (graph === undefined)
    throw new Error('there was no room to take over the index of an earlier version: nothing can be removed');
  const pins = new Pins([...cache.pinned, ...registries.flatMap((registry) => registry.cache.pinned ?? [])]);
  const isBeingRestored = restoringOf(store);
  return { graph, metadata, discarded, clock, graceMs, pins, changed, tell, isBeingRestored };
}

interface RetentionNeeds {
  readonly clock: Clock;
  /** Default: ten minutes. Milliseconds. */
  readonly graceMs?: number | undefined;
  /** Told what was changed in the index. */
  readonly changed: (operations: readonly Operation[]) => void;
  /** Told of what has gone. */
  readonly tell?: Tell | undefined;
}

/** Removes images from a directory, beside whoever serves from it; `removed` is told of each. Throws what keeps it from being used. */
export async function pruneImages(
  config: Config,
  selection: Selection,
  dryRun: boolean,
  removed: (image: Removed) => Promise<void>,
  { log, clock = systemClock, signal, graceMs }: PruneParts,
): Promise<void> {
  if (nothingCached(config.imagePath) !== undefined) return;
  const [memory, files] = [memoryPlan(), await filePlan(1, log)];
  await using store = await openStore(config.imagePath, { memory, files, clock, log, says() {} });
  await using notifier = openNotifying(config, { store, clock, log, random: Math.random });
  const tell = notifier?.tell;
  const parts = retentionParts(store, config, { clock, graceMs, tell, changed: tellerOf(store) });
  for await (const image of new ImagePruner(parts).prune(selection, { dryRun, signal })) await removed(image);
  if (dryRun) return;
  await tidyUp(parts, signal);
}
