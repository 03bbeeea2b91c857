import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { DigestHasher, type VerifiedBlob } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { BlobReader, Registry } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { FillFollowers } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';
import { FillTape } from './fill-tape.ts';
import { bodyBehind, OtherBlobError } from './resumed-body.ts';

/** Resumes without a single new byte before a fill gives up (containerd allows 3, dockerd 5). */
const maxVainResumes = 4;
/** A part of what was asked for, as some upstreams send, is at least so long, or it is taken for a cut. Bytes. */
const minPart = 64 * 1024;

export interface TransferSettings {
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly store: BlobStore;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

/** Brings the bytes of one blob from upstream to a tape: a cut is resumed, another place tried where one was wrong. */
export class BlobTransfer {
  readonly #digest: Digest;
  readonly #size: FillSize;
  readonly #followers: FillFollowers;
  readonly #settings: TransferSettings;
  readonly #abort = new AbortController();
  readonly #hasher: DigestHasher;
  #tape: FillTape | undefined;
  /** For each place that bytes came from, if there are several places. */
  readonly #disprove = new Set<NonNullable<BlobReader['disprove']>>();
  #hopeless = false;
  #hasAnotherPlace = false;
  #piping = false;
  #refutation: unknown;

  constructor(digest: Digest, size: FillSize, followers: FillFollowers, settings: TransferSettings) {
    this.#digest = digest;
    this.#size = size;
    this.#followers = followers;
    this.#settings = settings;
    this.#hasher = new DigestHasher(digest);
  }

  /** What has come so far; undefined before upstream's headers. */
  get tape(): FillTape | undefined {
    return this.#tape;
  }

  /** Is it known that what came is not the blob? */
  get isRefuted(): boolean {
    return this.#refutation !== undefined;
  }

  /** Why it is not. */
  get refutation(): unknown {
    return this.#refutation;
  }

  /** Aborted when it is ended. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Ends it now. */
  cancel(reason: unknown): void {
    this.#abort.abort(reason);
    this.#tape?.wake();
  }

  /** All of it, and right; `begun` is called when upstream's headers are here. Throws upstream's error, UNAVAILABLE where it lied. */
  async run(repository: RepositoryName, begun: () => void): Promise<VerifiedBlob> {
    try {
      await this.#transfer(repository, begun);
      return this.#verified();
    } catch (error) {
      if (error instanceof OtherBlobError) this.#leavePlaces();
      if (this.#hasher.size > 0) {
        const { log } = this.#settings;
        log.warn({ err: error, digest: this.#digest, repository }, 'blob transfer failed');
      }
      throw error;
    }
  }

  #verified(): VerifiedBlob {
    try {
      return this.#hasher.verify();
    } catch (error) {
      this.#refutation = error;
      this.#leavePlaces();
      throw error;
    }
  }

  #leavePlaces(): void {
    for (const disprove of this.#disprove) disprove();
  }

  async #transfer(repository: RepositoryName, begun: () => void): Promise<void> {
    for (let vain = 0; ; ) {
      const before = this.#hasher.size;
      try {
        if (await this.#receive(repository, before, begun)) return;
        vain = 0;
      } catch (error) {
        // All is here, whatever came behind it. By the tape: the last bytes may be hashed and yet nowhere to be read.
        if (this.#tape?.length === this.#hasher.size && this.#hasher.isRight) return;
        vain = this.#hasher.size > before ? 0 : vain + 1;
        if (vain > maxVainResumes || !this.#canResume(error)) throw before > 0 ? ofUpstream(error) : error;
        await this.#pause(vain, error);
      }
    }
  }

  /**
   * Not before upstream's first headers, where retrying is the transport's business, unless they were wrong and there is
   * another place; not after a definite answer.
   */
  #canResume(error: unknown): boolean {
    if (this.#hopeless || this.#abort.signal.aborted || error instanceof OtherBlobError) return false;
    if (this.#tape === undefined && !this.#hasAnotherPlace && !this.#size.isDisputed) return false;
    return !(error instanceof RegistryError) || error.status >= 500 || error.status === 429;
  }

  async #pause(vain: number, error: unknown): Promise<void> {
    const { clock, log, random } = this.#settings;
    log.info({ err: error, digest: this.#digest, at: this.#hasher.size }, 'resuming a cut blob transfer');
    await clock.sleep(random() * Math.min(5000, 200 * 2 ** vain), this.#abort.signal);
  }

  /** False: there is more, behind the part that upstream gave. */
  async #receive(repository: RepositoryName, offset: number, begun: () => void): Promise<boolean> {
    const { clock, upstream, store } = this.#settings;
    this.#hasAnotherPlace = false;
    await using reader = await upstream.getBlob(repository, this.#digest, {
      signal: this.#abort.signal,
      size: this.#size.expected,
      ...(offset > 0 && { range: { first: offset }, resumes: true }),
    });
    if (reader.disprove !== undefined) this.#disprove.add(reader.disprove);
    this.#agreeOnSize(reader);
    this.#tape ??= new FillTape(store, this.#digest, clock, () => this.#lowest());
    begun();
    for await (const chunk of bodyBehind(this.#hasher, reader)) {
      await this.#append(this.#tape, chunk, reader);
    }
    const { expected = 0 } = this.#size;
    if (this.#hasher.size >= expected || this.#hasher.isRight) return true;
    if (reader.range === undefined || this.#hasher.size - offset < minPart) {
      throw new RegistryError(
        'UNAVAILABLE',
        `upstream ended after ${this.#hasher.size} of ${expected} bytes`,
      );
    }
    return false;
  }

  /** Of two places that contradict each other in the middle nobody knows which was wrong: the next transfer begins with neither. */
  #agreeOnSize(reader: BlobReader): void {
    try {
      this.#size.agree(reader);
    } catch (error) {
      this.#hasAnotherPlace = reader.disprove !== undefined;
      if (this.#hasAnotherPlace) reader.disprove?.();
      else this.#leavePlaces();
      throw error;
    }
  }

  async #append(tape: FillTape, chunk: Uint8Array, reader: BlobReader): Promise<void> {
    const { limit } = this.#size;
    if (this.#hasher.size + chunk.length > limit) {
      this.#hopeless = true;
      this.#leavePlaces();
      throw new RegistryError('UNAVAILABLE', `upstream sent more than the blob's ${limit} bytes`);
    }
    this.#hasher.update(chunk);
    const kept = this.#keep(tape, chunk, reader);
    this.#followers.wake();
    await kept;
  }

  async #keep(tape: FillTape, chunk: Uint8Array, reader: BlobReader): Promise<void> {
    const { log } = this.#settings;
    const stored = await tape.append(
      chunk,
      reader,
      this.#hasher.size === this.#size.expected,
      this.#abort.signal,
      async (signal) => await this.#followers.dropSlowest(tape.length, signal),
    );
    if (stored) return;
    if (!this.#piping)
      log.error({ err: tape.storeError, digest: this.#digest }, 'blob cannot be stored: passing it through');
    this.#piping = true;
    if (!this.#followers.isEmpty) return;
    this.#hopeless = true;
    throw new Error('nobody reads a blob that cannot be stored', { cause: tape.storeError });
  }

  #lowest(): number {
    return this.#followers.lowest(this.#tape?.length ?? 0);
  }
}

/** It was our own range, to go on, that upstream could not satisfy: nobody's who asked for the blob. */
function ofUpstream(error: unknown): unknown {
  if (!(error instanceof RegistryError) || error.code !== 'RANGE_INVALID') return error;
  return new RegistryError('UNAVAILABLE', 'upstream has less of the blob than it should', { cause: error });
}
