import type { Choice } from '../admin/named-images.ts';
import { type Refresh, type RefreshedTag, refreshImages } from '../admin/refresh-images.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { hostOf } from '../oci/reference.ts';
import { openCaching } from './caching.ts';
import { assertCached } from './nothing-cached.ts';
import { filePlan } from './open-files.ts';

export interface RefreshParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly log: Log;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly signal: AbortSignal;
}

/**
 * Asks upstream about what a directory has, beside whoever serves from it; what is new of it is stored, and what belongs to that comes when clients
 * ask. Throws what keeps the directory from being used, and the signal's reason.
 */
export async function* refreshCached(
  config: Config,
  choice: Choice,
  { version, env, log, clock = systemClock, random = Math.random, signal }: RefreshParts,
): AsyncGenerator<readonly RefreshedTag[]> {
  if (config.airGapped) throw new Error('this cache is air-gapped: nobody is asked');
  assertCached(config.imagePath);
  const files = await filePlan(1, log);
  await using caching = await openCaching(
    { ...config, metrics: 0 },
    { files, version, clock, log, random, env, says() {}, completes: false },
  );
  const { store, registries } = caching;
  const refresh: Refresh = async (repository, tag) =>
    await registries.of(hostOf(repository)).refresh(repository, tag);
  yield* refreshImages(choice, { inventory: store.inventory, clock, refresh }, signal);
}
