import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { Scrub } from '../verify/scrub.ts';
import type { Caching } from './caching.ts';

/** Hashes all that is stored in the background, as `cache.scrub` has it. Disposing ends it. */
export function beginScrub(
  { cache: { scrub: passMs } }: Config,
  { store, cache, changed }: Caching,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): AsyncDisposable {
  const { content, metadata, inventory } = store;
  return new Scrub({
    ...{ content, metadata, clock, log, passMs, changed, tally: cache.checks.tally },
    totals: async () => await inventory.totals(),
  });
}
