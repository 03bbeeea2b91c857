import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Caching } from './caching.ts';
import { beginOriginalImport } from './original-images.ts';

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1. */
  readonly random: () => number;
  /** Called when an index that was lost is known again. */
  readonly known: () => void;
  /** Ends it. */
  readonly stack: AsyncDisposableStack;
}

/** Begins what is done beside the clients. What few configurations ask for is loaded where one does: for each file that is loaded the first answer waits. */
export async function beginBesideClients(
  config: Config,
  caching: Caching,
  { stack, random, known, ...parts }: Parts,
): Promise<void> {
  let isTried: Promise<void> | undefined;
  let isKnown: Promise<boolean> | undefined;
  if (caching.store.rebuild !== undefined) {
    const { beginRebuild } = await import('./rebuild.ts');
    ({ isTried, isKnown } = stack.use(beginRebuild(caching, { config, ...parts })));
    void isKnown.then((is) => is && known());
  }
  if (config.cache.scrub > 0) {
    const { beginScrub } = await import('./scrub.ts');
    stack.use(beginScrub(config, caching, parts));
  }
  if (config.catalogSync !== undefined) {
    const { beginCatalogSync } = await import('./catalog-sync.ts');
    const sync = beginCatalogSync(config, caching, { random, ...parts });
    if (sync !== undefined) stack.use(sync);
  }
  stack.use(beginOriginalImport(config, caching, { isKnown, ...parts }));
  if (config.preloadImages !== '') {
    const { beginPreload } = await import('./preload.ts');
    stack.use(beginPreload(config, caching, { isTried, ...parts }));
  }
}
