import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import { listIsKnown, sizesAreKnown } from '../rebuild/kept-list.ts';
import { ListedNames } from '../rebuild/listed-names.ts';
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

type RebuiltCaching = Pick<Caching, 'changed' | 'store'>;

/** What is hashed for its size alone, beside clients. Bytes a second. */
const hashedPerSecond = 32 * 1024 * 1024;
/** What fails is tried again after so long, and each time after twice as long, at most the latter. Milliseconds. */
const [firstPauseMs, longestPauseMs] = [10_000, 600_000];
/** So long images are tried again whose manifests cannot be read: meanwhile nothing is removed, of any. Milliseconds. */
const patienceMs = 3_600_000;

/** Of some images the manifests cannot be read, for now. */
class UnreadError extends Error {
  constructor(images: number) {
    super(`the manifests of ${images} images cannot be read, for now`);
  }
}

/**
 * Makes the index anew where that is to be done, and removes what is nobody's then. Where manifests cannot be read the list stays for whoever does it next. Errors as
 * {@link rebuildIndex}, and the store's.
 */
export async function rebuildStore(
  caching: RebuiltCaching,
  settings: RebuildSettings,
  signal: AbortSignal,
): Promise<void> {
  try {
    await new StoreRebuild(caching, settings, signal).run(false);
  } catch (error) {
    if (!(error instanceof UnreadError)) throw error;
    settings.log.warn({}, `${error.message}: the next start, or verify --rebuild, tries them again`);
  }
}

/** An index that is made anew beside the clients. Disposing ends it. */
export interface RunningRebuild extends AsyncDisposable {
  /** Settles when it was tried once, however that ended. */
  readonly isTried: Promise<void>;
  /** Settles when what the list names is known. False: that is left to the next start. */
  readonly isKnown: Promise<boolean>;
}

/** The same beside the clients, and then the sizes of what is known; what fails is logged where it is news, and tried again. */
export function beginRebuild(caching: RebuiltCaching, settings: RebuildSettings): RunningRebuild {
  const stop = new AbortController();
  const tried = Promise.withResolvers<void>();
  const known = Promise.withResolvers<boolean>();
  const rebuild = new StoreRebuild(caching, settings, stop.signal);
  const done = rebuild
    .runAside(
      () => tried.resolve(),
      () => known.resolve(true),
    )
    // It was told to stop.
    .catch(() => undefined)
    .finally(() => {
      tried.resolve();
      known.resolve(false);
    });
  return {
    isTried: tried.promise,
    isKnown: known.promise,
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

class StoreRebuild {
  readonly #caching: RebuiltCaching;
  readonly #settings: RebuildSettings;
  readonly #signal: AbortSignal;
  /** What became of the names on the list; undefined: not all of them were looked at. */
  #done: Rebuilt | undefined;

  constructor(caching: RebuiltCaching, settings: RebuildSettings, signal: AbortSignal) {
    this.#caching = caching;
    this.#settings = settings;
    this.#signal = signal;
  }

  /** May be called again where it failed. Throws UnreadError too, unless it is the `last` time. */
  async run(last: boolean): Promise<void> {
    const { rebuild } = this.#caching.store;
    if (rebuild?.from === undefined) return;
    this.#done = await this.#known(rebuild.from);
    const { images, failed, unread } = this.#done;
    if (unread.length > 0 && !last) throw new UnreadError(unread.length);
    const isWhole = this.#done.isWhole && unread.length === 0;
    await this.#removeNobodys(isWhole);
    await listIsKnown(rebuild.directory);
    this.#settings.log.warn({ images, failed, isWhole }, 'the index is made anew');
  }

  async #known(path: string): Promise<Rebuilt> {
    const { changed, store } = this.#caching;
    const { content, metadata } = store;
    const { log } = this.#settings;
    const parts = { content, metadata, log, changed };
    const before = this.#done;
    if (before !== undefined) {
      const { images, failed, ...more } = await rebuildIndex(before.unread, parts, this.#signal, true);
      return {
        images: before.images + images,
        failed: before.failed - before.unread.length + failed,
        unread: more.unread,
        isWhole: before.isWhole && more.isWhole,
      };
    }
    log.warn({ list: path }, 'making the index anew from what lies in the directory');
    const list = new ListedNames(path);
    const done = await rebuildIndex(list.read(), parts, this.#signal);
    return { ...done, isWhole: done.isWhole && list.isWhole };
  }

  /** `tried` is called when it was, `known` when all is known. Rejects with the signal's reason alone. */
  async runAside(tried: () => void, known: () => void): Promise<void> {
    await this.#untilDone('the index could not be made anew', async (last) => await this.run(last), tried);
    known();
    await this.#untilDone('what the new index leads to could not be hashed', async () => {
      await this.#learnSizes();
    });
  }

  /** Tries it until it does not fail; `last`: no more is to be waited for. What fails is told once, until it fails for another reason. */
  async #untilDone(
    failure: string,
    work: (last: boolean) => Promise<void>,
    tried: () => void = () => {},
  ): Promise<void> {
    const { clock, log } = this.#settings;
    const begunAt = clock.monotonic();
    let told: string | undefined;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        await work(clock.monotonic() - begunAt >= patienceMs);
        tried();
        return;
      } catch (error) {
        this.#signal.throwIfAborted();
        if (String(error) !== told) log.error({ err: error }, `${failure}: it is tried again`);
        told = String(error);
      }
      tried();
      await clock.sleep(pauseMs, this.#signal);
    }
  }

  /** Where not all is known that should be, what is not known stays. */
  async #removeNobodys(isWhole: boolean): Promise<void> {
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
