import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { CatalogSync } from '../catalog/catalog-sync.ts';
import type { Config } from '../config/schema.ts';
import { nameGlob } from '../oci/name-glob.ts';
import type { Caching } from './caching.ts';

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
}

/** Compares what is cached with its registries, as `catalogSync` has it. Undefined: it is not wanted, or nobody may be asked. Disposing ends it. */
export function beginCatalogSync(
  { catalogSync, airGapped }: Config,
  { store, registries, synced: tally }: Caching,
  parts: Parts,
): CatalogSync | undefined {
  if (catalogSync === undefined || airGapped) return undefined;
  const globs = catalogSync.repositories.map(nameGlob);
  return new CatalogSync({
    metadata: store.metadata,
    registryOf: (host) => registries.of(host),
    mayAsk: (host) => registries.mayRevalidate(host),
    matches: (repository) => globs.some((matches) => matches(repository, undefined)),
    everyMs: catalogSync.every,
    tally,
    ...parts,
  });
}
