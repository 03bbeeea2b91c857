import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { listIsKnown, sizesAreKnown } from '../rebuild/kept-list.ts';
import { type Rebuilt, rebuildIndex } from '../rebuild/rebuild-index.ts';
import { removeUnknown } from '../retention/unknown-content.ts';
import { ByteRate } from '../verify/byte-rate.ts';
import { checkUnsized } from '../verify/check-store.ts';
import { FileCheck } from '../verify/file-check.ts';
import type { Caching } from './caching.ts';
import { retentionParts } from './prune.ts';

export interface RebuildSettings {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is hashed for its size alone, beside clients. Bytes a second. */
const hashedPerSecond = 32 * 1024 * 1024;

/** Makes the index anew where that is to be done, and removes what is nobody's then. Errors as {@link rebuildIndex}, and the store's. */
export async function rebuildStore(
  caching: Caching,
  settings: RebuildSettings,
  signal: AbortSignal,
): Promise<void> {
  await new StoreRebuild(caching, settings, signal).run();
}

/** An index that is made anew beside the clients. Disposing ends it. */
export interface RunningRebuild extends AsyncDisposable {
  /** Settles when what the list names is known. False: not now, the next start does it. */
  readonly isKnown: Promise<boolean>;
}

/** The same beside the clients, and then the sizes of what is known; what fails is logged, and done by the next start. */
export function beginRebuild(caching: Caching, settings: RebuildSettings): RunningRebuild {
  const stop = new AbortController();
  const known = Promise.withResolvers<boolean>();
  const rebuild = new StoreRebuild(caching, settings, stop.signal);
  const done = rebuild
    .runAside(() => known.resolve(true))
    .catch((error: unknown) => {
      if (!stop.signal.aborted) settings.log.error({ err: error }, 'the index could not be made anew');
    })
    .finally(() => known.resolve(false));
  return {
    isKnown: known.promise,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

class StoreRebuild {
  readonly #caching: Caching;
  readonly #settings: RebuildSettings;
  readonly #signal: AbortSignal;

  constructor(caching: Caching, settings: RebuildSettings, signal: AbortSignal) {
    this.#caching = caching;
    this.#settings = settings;
    this.#signal = signal;
  }

  async run(): Promise<void> {
    const { changed, store } = this.#caching;
    const { content, metadata, rebuild } = store;
    if (rebuild?.from === undefined) return;
    const { log } = this.#settings;
    log.warn({ list: rebuild.from }, 'making the index anew from what lies in the directory');
    const parts = { content, metadata, log, changed };
    const done = await rebuildIndex(rebuild.from, parts, this.#signal);
    log.warn({ ...done }, 'the index is made anew');
    await this.#removeNobodys(done);
    await listIsKnown(rebuild.directory);
  }

  /** `known` is called when that is so. */
  async runAside(known: () => void): Promise<void> {
    await this.run();
    known();
    await this.#learnSizes();
  }

  /** Where not all is known that should be, what is not known stays. */
  async #removeNobodys({ isWhole }: Rebuilt): Promise<void> {
    const { config, clock, log } = this.#settings;
    const { changed, store } = this.#caching;
    if (!isWhole) {
      log.warn({}, 'files that no image leads to stay: not all that lies there could be made known');
      return;
    }
    const parts = retentionParts(store, config, { clock, changed });
    const gone = await removeUnknown({ ...parts, content: store.content }, this.#signal);
    if (gone.files + gone.left > 0) log.warn({ ...gone }, 'files that no image leads to are removed');
  }

  /** Limits count what is known: sizes are when the bytes were hashed. */
  async #learnSizes(): Promise<void> {
    const { clock, log } = this.#settings;
    const { changed, store } = this.#caching;
    const { content, metadata, rebuild } = store;
    const rate = new ByteRate(clock, hashedPerSecond);
    const check = new FileCheck({ content, metadata, changed }, rate);
    for await (const found of checkUnsized({ metadata }, check, this.#signal)) {
      const { digest, verdict, owners, kept, cause: err } = found;
      if (verdict === 'right') continue;
      const repositories = owners.map(({ repository }) => repository);
      log.error(
        { digest, repositories, kept, err },
        `a stored blob is ${verdict}: it is fetched again when it is asked for`,
      );
    }
    if (rebuild !== undefined) await sizesAreKnown(rebuild.directory);
    log.info({}, 'what the new index leads to is hashed');
  }
}
