import { setImmediate } from 'node:timers/promises';
import { abortable } from '../abortable.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { DigestHasher, type VerifiedBlob } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { resolveRange } from '../oci/range.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec, Registry } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import { FillTape } from './fill-tape.ts';

/** So many bytes at the end stay back until the digest is known to be right. */
const heldBack = 64 * 1024;
/** Resumes without a single new byte before a fill gives up (containerd allows 3, dockerd 5). */
const maxVainResumes = 4;
/** A reader that takes nothing for so long is dropped where it would hold up others. */
const stallMs = 30_000;

export interface FillSettings {
  readonly upstream: Registry;
  readonly store: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
  /** Called when the blob is durable in the store and before the fill is forgotten. */
  readonly stored: (fill: BlobFill) => Promise<void>;
  /** Called at the very end, with what is to be disposed; perhaps more than once. */
  readonly closed: (tape: AsyncDisposable | undefined) => void;
}

/** A reader's place in the blob; `wake` ends its waiting for more. */
interface Follower {
  at: number;
  wake: () => void;
}

/**
 * One transfer of one blob from upstream, owned by the cache and not by a client: readers follow the growing bytes at
 * their own pace and come and go. A cut is resumed, the last bytes stay back until the digest matched, a full disk makes
 * it a pipe.
 */
export class BlobFill {
  readonly digest: Digest;
  /** Repositories for which upstream itself has shown that they own this blob. */
  readonly owners: Set<RepositoryName>;
  /** Settles when upstream's headers are here; rejects with what upstream answered instead. */
  readonly head: Promise<BlobInfo>;
  /** Settles when nothing is left to do, however it ended. */
  readonly done: Promise<void>;

  readonly #settings: FillSettings;
  readonly #abort = new AbortController();
  readonly #followers = new Set<Follower>();
  readonly #hasher: DigestHasher;
  readonly #head = Promise.withResolvers<BlobInfo>();
  #tape: FillTape | undefined;
  #size: number | undefined;
  #state: 'filling' | 'verified' | 'failed' = 'filling';
  #error: unknown;
  /** For each place that bytes came from, if there are several places. */
  readonly #disprove = new Set<NonNullable<BlobReader['disprove']>>();
  #finished = false;
  #hopeless = false;
  #hasAnotherPlace = false;
  #piping = false;

  constructor(repository: RepositoryName, expected: BlobInfo, settings: FillSettings) {
    this.digest = expected.digest;
    this.owners = new Set([repository]);
    this.#size = expected.size;
    this.#settings = settings;
    this.#hasher = new DigestHasher(expected.digest);
    this.head = this.#head.promise;
    this.head.catch(() => {});
    this.done = this.#run(repository);
  }

  /** Did upstream fail, lie or vanish? Then the next reader needs a new fill. */
  get failed(): boolean {
    return this.#state === 'failed';
  }

  /** Is all of it here, and right? */
  get isVerified(): boolean {
    return this.#state === 'verified';
  }

  /** Did the store have room for all that has come so far? */
  get isStored(): boolean {
    return this.#tape?.isStored === true;
  }

  get isOver(): boolean {
    return this.#finished;
  }

  /** Can a reader still begin at this byte? While the size is not known, all of them begin at the first. */
  holds(first: number): boolean {
    return this.#tape?.holds(this.#size === undefined ? 0 : first) ?? true;
  }

  /** Ends it now: what is not verified is discarded. */
  cancel(reason: unknown): void {
    this.#abort.abort(reason);
    this.#tape?.wake();
  }

  /**
   * Follows the fill from its beginning or over a range; over the whole blob while its size is not known. Rejects with
   * upstream's error.
   */
  async open(spec: RangeSpec | undefined, signal: AbortSignal | undefined): Promise<BlobReader> {
    const { digest, size } = await abortable(this.head, signal);
    const range = spec === undefined || size === undefined ? undefined : resolveRange(spec, size);
    const follower: Follower = { at: range?.first ?? 0, wake() {} };
    this.#followers.add(follower);
    const leave = () => this.#leave(follower);
    signal?.addEventListener('abort', leave, { once: true });
    return {
      digest,
      size,
      range,
      body: this.#follow(follower, range?.last),
      async [Symbol.asyncDispose]() {
        signal?.removeEventListener('abort', leave);
        leave();
      },
    };
  }

  async #run(repository: RepositoryName): Promise<void> {
    try {
      await this.#transfer(repository);
      const blob = this.#verified();
      this.#settle('verified');
      await this.#publish(blob);
    } catch (error) {
      this.#error = error;
      this.#head.reject(error);
      this.#settle('failed');
      if (this.#hasher.size > 0) {
        this.#settings.log.warn({ err: error, digest: this.digest, repository }, 'blob transfer failed');
      }
    } finally {
      this.#finished = true;
      this.#release();
    }
  }

  #verified(): VerifiedBlob {
    try {
      return this.#hasher.verify();
    } catch (error) {
      this.#leavePlaces();
      throw error;
    }
  }

  #leavePlaces(): void {
    for (const disprove of this.#disprove) disprove();
  }

  /** A verified blob is right whether or not the store can keep it. */
  async #publish(blob: VerifiedBlob): Promise<void> {
    if (this.#tape?.isStored !== true) return;
    try {
      await this.#tape.commit(blob);
      await this.#settings.stored(this);
    } catch (error) {
      this.#settings.log.error({ err: error, digest: this.digest }, 'blob could not be stored');
    }
  }

  async #transfer(repository: RepositoryName): Promise<void> {
    for (let vain = 0; ; ) {
      const before = this.#hasher.size;
      try {
        await this.#receive(repository, before);
        return;
      } catch (error) {
        // All is here, whatever came behind it. By the tape: the last bytes may be hashed and yet nowhere to be read.
        if (this.#tape !== undefined && this.#tape.length === this.#size) return;
        vain = this.#hasher.size > before ? 0 : vain + 1;
        if (vain > maxVainResumes || !this.#canResume(error)) throw error;
        await this.#pause(vain, error);
      }
    }
  }

  /**
   * Not before upstream's first headers, where retrying is the transport's business, unless they were wrong and there is
   * another place; not after a definite answer.
   */
  #canResume(error: unknown): boolean {
    if (this.#hopeless || this.#abort.signal.aborted) return false;
    if (this.#tape === undefined && !this.#hasAnotherPlace) return false;
    return !(error instanceof RegistryError) || error.status >= 500 || error.status === 429;
  }

  async #pause(vain: number, error: unknown): Promise<void> {
    const { clock, log, random } = this.#settings;
    log.info({ err: error, digest: this.digest, at: this.#hasher.size }, 'resuming a cut blob transfer');
    await clock.sleep(random() * Math.min(5000, 200 * 2 ** vain), this.#abort.signal);
  }

  async #receive(repository: RepositoryName, offset: number): Promise<void> {
    const { upstream, store, clock } = this.#settings;
    this.#hasAnotherPlace = false;
    await using reader = await upstream.getBlob(repository, this.digest, {
      signal: this.#abort.signal,
      ...(offset > 0 && { range: { first: offset } }),
    });
    if (reader.disprove !== undefined) this.#disprove.add(reader.disprove);
    this.#agreeOnSize(reader);
    this.#tape ??= new FillTape(store, this.digest, clock, () => this.#lowest());
    this.#head.resolve({ digest: this.digest, size: this.#size });
    for await (const chunk of reader.body) {
      await this.#append(this.#tape, chunk, reader);
    }
    if (this.#size !== undefined && this.#hasher.size < this.#size) {
      throw new RegistryError(
        'UNAVAILABLE',
        `upstream ended after ${this.#hasher.size} of ${this.#size} bytes`,
      );
    }
  }

  async #append(tape: FillTape, chunk: Uint8Array, reader: BlobReader): Promise<void> {
    if (this.#size !== undefined && this.#hasher.size + chunk.length > this.#size) {
      this.#hopeless = true;
      this.#leavePlaces();
      throw new RegistryError('UNAVAILABLE', `upstream sent more than the blob's ${this.#size} bytes`);
    }
    this.#hasher.update(chunk);
    const kept = this.#keep(tape, chunk, reader);
    this.#wake();
    await kept;
  }

  async #keep(tape: FillTape, chunk: Uint8Array, reader: BlobReader): Promise<void> {
    const { log } = this.#settings;
    const stored = await tape.append(
      chunk,
      reader,
      this.#abort.signal,
      async (signal) => await this.#dropSlowest(signal),
    );
    if (stored) return;
    if (!this.#piping)
      log.warn({ err: tape.storeError, digest: this.digest }, 'blob cannot be stored: passing it through');
    this.#piping = true;
    // Whoever waits for the headers follows within this turn.
    if (this.#followers.size === 0) await setImmediate();
    if (this.#followers.size > 0) return;
    this.#hopeless = true;
    throw new Error('nobody reads a blob that cannot be stored');
  }

  /** While the blob is a pipe, a reader that does not read would hold up all others. */
  async #dropSlowest(signal: AbortSignal): Promise<void> {
    try {
      await this.#settings.clock.sleep(stallMs, signal);
    } catch {
      return;
    }
    const lowest = this.#lowest();
    for (const follower of this.#followers) if (follower.at === lowest) this.#leave(follower);
  }

  #agreeOnSize({ size, disprove }: BlobReader): void {
    if (size !== undefined && this.#size !== undefined && size !== this.#size) {
      disprove?.();
      this.#hasAnotherPlace = disprove !== undefined;
      throw new RegistryError(
        'UNAVAILABLE',
        `upstream gives the blob ${size} bytes, its manifest ${this.#size}`,
      );
    }
    this.#size ??= size;
  }

  async *#follow(follower: Follower, last = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
    while (follower.at <= last) {
      const end = Math.min(this.#visible(), last + 1);
      this.#checkFollows(follower);
      if (follower.at < end && this.#tape !== undefined) yield* this.#advance(this.#tape, follower, end - 1);
      else if (this.#state === 'verified') return;
      else if (this.#state === 'failed') throw this.#error;
      else await new Promise<void>((resolve) => (follower.wake = resolve));
    }
  }

  async *#advance(tape: FillTape, follower: Follower, last: number): AsyncGenerator<Uint8Array> {
    const before = follower.at;
    for await (const chunk of tape.read({ first: before, last })) {
      yield chunk;
      follower.at += chunk.length;
      tape.wake();
      this.#checkFollows(follower);
    }
    if (follower.at === before) throw new Error('these bytes of the blob have passed by already');
  }

  #checkFollows(follower: Follower): void {
    if (!this.#followers.has(follower))
      throw new Error('this reader of the blob was disposed or is too slow');
  }

  #visible(): number {
    const length = this.#tape?.length ?? 0;
    return this.#state === 'verified' ? length : Math.min(length, (this.#size ?? length) - heldBack);
  }

  /** How far the slowest reader is; the end when there is none. */
  #lowest(): number {
    let lowest = this.#tape?.length ?? 0;
    for (const { at } of this.#followers) lowest = Math.min(lowest, at);
    return lowest;
  }

  #settle(state: 'verified' | 'failed'): void {
    this.#state = state;
    this.#wake();
  }

  #wake(): void {
    for (const { wake } of this.#followers) wake();
  }

  #leave(follower: Follower): void {
    this.#followers.delete(follower);
    follower.wake();
    this.#tape?.wake();
    this.#release();
  }

  /** The partial file goes when the transfer is over and the last reader has left. */
  #release(): void {
    if (this.#finished && this.#followers.size === 0) this.#settings.closed(this.#tape);
  }
}
