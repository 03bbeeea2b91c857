import { abortable } from '../../base/abortable.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { resolveRange } from '../../oci/range.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec } from '../../oci/registry.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { Backlog } from './backlog.ts';
import { BlobTransfer, type TransferSettings } from './blob-transfer.ts';
import { FillBytes } from './fill-bytes.ts';
import { FillFollowers, type Follower } from './fill-followers.ts';
import { FillSize } from './fill-size.ts';

export interface FillSettings extends TransferSettings {
  readonly content: ContentStore;
  readonly backlog: Backlog;
  /** So many of its registry's transfers may run that nobody waits for. */
  readonly maxAbandoned: number;
  /** Called for each repository that owns the blob once it is durable in the store, mostly before the fill is forgotten. */
  readonly stored: (repository: RepositoryName, blob: VerifiedBlob) => Promise<void>;
  /** Called at the very end, with what is to be disposed; perhaps more than once. */
  readonly closed: (tape: AsyncDisposable | undefined) => void;
}

/** How far it is, in bytes. */
export interface FillProgress {
  readonly received: number;
  /** What should come in all; undefined: nobody says. */
  readonly expected: number | undefined;
  /** What may come in all while nobody waits for it. */
  readonly limit: number;
}

/** Where a reader begins, and whether it reads for a client. */
export interface Place {
  readonly repository: RepositoryName;
  readonly range: RangeSpec | undefined;
  readonly isClient: boolean;
}

/**
 * A reader's place in a fill, taken before anything was waited for: while it is held the fill's bytes stay readable, however
 * the fill ends meanwhile. To be left, or given to the reader that `open` makes.
 */
export interface Seat extends Disposable {
  readonly fill: BlobFill;
  /** Can it still be read from here? Not when the fill has failed or, on a full disk, has passed by. */
  readonly isGood: boolean;
  /**
   * Follows the fill, over the whole blob while its size is not known. The repository must own the blob by now. Rejects
   * with upstream's error.
   */
  open(signal: AbortSignal | undefined): Promise<BlobReader>;
}

/**
 * One transfer of one blob from upstream, owned by the cache and not by a client: readers follow the growing bytes at
 * their own pace and come and go. A cut is resumed, the last bytes stay back until the digest matched, a full disk makes
 * it a pipe.
 */
export class BlobFill {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  /** Settles when upstream's headers are here; rejects with what upstream answered instead. */
  readonly head: Promise<void>;
  /** Settles when nothing is left to do, however it ended. */
  readonly done: Promise<void>;

  readonly #settings: FillSettings;
  readonly #changed: (fill: BlobFill) => void;
  /** Repositories for which upstream itself has shown that they own this blob, and what their manifests say of its size. */
  readonly #owners = new Map<RepositoryName, number | undefined>();
  readonly #followers: FillFollowers;
  readonly #size: FillSize;
  readonly #head = Promise.withResolvers<void>();
  readonly #transfer: BlobTransfer;
  readonly #bytes: FillBytes;
  /** `received`: all is here, and right, and waits until the store takes it. */
  #state: 'filling' | 'received' | 'verified' | 'failed' = 'filling';
  #error: unknown;
  /** Once it is in the store. */
  #stored: VerifiedBlob | undefined;
  #finished = false;

  /** `changed` is told when a client has come or the last one has left, when it begins to wait for its turn at upstream, and when all is here. */
  constructor(
    repository: RepositoryName,
    expected: BlobInfo,
    settings: FillSettings,
    changed: (fill: BlobFill) => void,
  ) {
    this.#changed = changed;
    this.digest = expected.digest;
    this.repository = repository;
    this.#settings = settings;
    this.#owners.set(repository, expected.size);
    this.#size = new FillSize(expected);
    this.#followers = new FillFollowers(this.#owners, settings.clock);
    this.#transfer = new BlobTransfer(expected.digest, this.#size, this.#followers, settings, () =>
      changed(this),
    );
    const [transfer, size, followers] = [this.#transfer, this.#size, this.#followers];
    this.#bytes = new FillBytes({ end: this, transfer, size, followers });
    this.head = this.#head.promise;
    this.head.catch(() => {});
    this.done = this.#run(repository);
  }

  /** Did upstream fail, lie or vanish? Then the next reader needs a new fill. */
  get failed(): boolean {
    return this.#state === 'failed';
  }

  /** Why it has failed. */
  get failure(): unknown {
    return this.#error;
  }

  /** Is all of it here, and right? */
  get isVerified(): boolean {
    return this.#state === 'verified';
  }

  /** Does a client wait for it? */
  get isWaitedFor(): boolean {
    return this.#followers.isWaitedFor;
  }

  /** Does it wait for its turn at upstream? */
  get isQueued(): boolean {
    return this.#transfer.isQueued;
  }

  /** Was it ended from here, whatever upstream would have given? */
  get isCancelled(): boolean {
    return this.#transfer.signal.aborted;
  }

  /** Does it still ask upstream for what no client waits for? */
  get isAbandoned(): boolean {
    return this.#state === 'filling' && !this.isCancelled && !this.isWaitedFor;
  }

  get maxAbandoned(): number {
    return this.#settings.maxAbandoned;
  }

  get progress(): FillProgress {
    const { expected, limitAlone: limit } = this.#size;
    return { received: this.#transfer.tape?.length ?? 0, expected, limit };
  }

  /** The blob as this repository sees it; as to its size before upstream's headers only what was known before. */
  infoFor(repository: RepositoryName): BlobInfo {
    const size = this.#size.known ?? this.#owners.get(repository);
    return { digest: this.digest, size, isVerified: this.isVerified };
  }

  isOwnedBy(repository: RepositoryName): boolean {
    return this.#owners.has(repository);
  }

  /** Upstream has shown that this repository owns the blob too. `claimed`: the size that its manifests give, if they do. */
  async own(repository: RepositoryName, claimed: number | undefined): Promise<void> {
    if (this.#owners.has(repository)) return;
    this.#owners.set(repository, claimed);
    this.#size.allow(claimed);
    if (this.#stored !== undefined) await this.#settings.stored(repository, this.#stored);
  }

  /** Can a reader still begin there? Once it is over its tape may be closed. */
  canJoin(spec: RangeSpec | undefined): boolean {
    return !this.#finished && !this.isCancelled && this.#canReadFrom(this.#firstOf(spec));
  }

  /** Takes a place, at once. Undefined: not possible any more. */
  join({ repository, range: spec, isClient }: Place): Seat | undefined {
    if (!this.canJoin(spec)) return undefined;
    const follower = this.#followers.join(repository, this.#firstOf(spec), isClient);
    if (isClient) this.#changed(this);
    const isGood = () => this.#followers.has(follower) && this.#canReadFrom(follower.at);
    return {
      fill: this,
      get isGood() {
        return isGood();
      },
      open: async (signal) => await this.#open(follower, spec, signal),
      [Symbol.dispose]: () => this.#leave(follower),
    };
  }

  /** Ends it now: what is not verified is discarded. */
  cancel(reason: unknown): void {
    this.#transfer.cancel(reason);
  }

  async #open(
    follower: Follower,
    spec: RangeSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader> {
    if (!this.#owners.has(follower.repository))
      throw new Error(`${follower.repository} is not known to own ${this.digest}`);
    await abortable(this.head, signal);
    const info = this.infoFor(follower.repository);
    const range = spec === undefined || info.size === undefined ? undefined : resolveRange(spec, info.size);
    follower.at = range?.first ?? 0;
    const leave = () => this.#leave(follower);
    signal?.addEventListener('abort', leave, { once: true });
    return {
      ...info,
      range,
      body: this.#bytes.follow(follower, info.size, range?.last),
      async [Symbol.asyncDispose]() {
        signal?.removeEventListener('abort', leave);
        leave();
      },
    };
  }

  async #run(repository: RepositoryName): Promise<void> {
    try {
      const blob = await this.#transfer.run(repository, this.#head.resolve);
      this.#size.settle(blob.size);
      this.#state = 'received';
      this.#changed(this);
      using _ = await this.#admitted(blob);
      this.#settle('verified');
      await this.#publish(blob);
    } catch (error) {
      // Whatever breaks when it is ended says nothing of why it was.
      this.#error = this.isCancelled ? this.#transfer.signal.reason : error;
      this.#transfer.tape?.giveUp(this.#error);
      this.#settle('failed');
      this.#head.reject(this.#error);
    } finally {
      this.#finished = true;
      this.#release();
    }
  }

  /**
   * Whoever waits for the last bytes waits until the store takes the blob: what clients have and what would not survive a crash
   * is bounded. What is not taken in time passes by.
   */
  async #admitted({ size }: VerifiedBlob): Promise<Disposable | undefined> {
    const { backlog, log } = this.#settings;
    const { signal, tape } = this.#transfer;
    if (tape?.isStored !== true) return undefined;
    try {
      return await backlog.admit(size, signal);
    } catch (error) {
      signal.throwIfAborted();
      tape.giveUp(error);
      log.warn({ err: error, digest: this.digest }, 'blob cannot be stored: passing it through');
      return undefined;
    }
  }

  /** A verified blob is right whether or not the store can keep it. */
  async #publish(blob: VerifiedBlob): Promise<void> {
    const { tape } = this.#transfer;
    if (tape?.isStored !== true) return;
    try {
      await tape.put(blob, this.#settings.content);
      await this.#linkOwners(blob);
    } catch (error) {
      tape.giveUp(error);
      this.#settings.log.error({ err: error, digest: this.digest }, 'blob could not be stored');
    }
  }

  /** Whoever owns it from now on is told by `own`. */
  async #linkOwners(blob: VerifiedBlob): Promise<void> {
    this.#stored = blob;
    await Promise.all(
      [...this.#owners.keys()].map(async (owner) => await this.#settings.stored(owner, blob)),
    );
  }

  /** While the size is not known, all begin at the first byte; perhaps it will be. */
  #firstOf(spec: RangeSpec | undefined): number {
    const size = this.#size.known;
    if (spec === undefined || size === undefined) return 0;
    return 'suffix' in spec ? Math.max(0, size - spec.suffix) : Math.min(spec.first, size);
  }

  #canReadFrom(first: number): boolean {
    return this.#state !== 'failed' && (this.#transfer.tape?.holds(first) ?? true);
  }

  #settle(state: 'verified' | 'failed'): void {
    this.#state = state;
    this.#followers.wake();
  }

  #leave(follower: Follower): void {
    this.#followers.leave(follower);
    this.#transfer.tape?.wake();
    this.#release();
    if (this.isAbandoned) this.#changed(this);
  }

  /** The partial file goes when the transfer is over and the last reader has left. */
  #release(): void {
    if (this.#finished && this.#followers.isEmpty) this.#settings.closed(this.#transfer.tape);
  }
}
