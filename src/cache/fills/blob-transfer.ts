import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { DigestHasher, type VerifiedBlob } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/error.ts';
import { blamed } from '../../oci/fault.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobReader, Registry } from '../../oci/registry.ts';
import type { SpoolStore } from '../../storage/spool-store.ts';
import { BlobSource } from './blob-source.ts';
import type { FillFollowers } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';
import { FillTape } from './fill-tape.ts';
import { OtherBlobError } from './overlap.ts';
import { Pace } from './pace.ts';
import { PutOffError } from './put-off.ts';
import { Relay } from './relay.ts';

/** Resumes without a single new byte before a fill gives up (containerd allows 3, dockerd 5). */
const maxVainResumes = 4;
/** Nobody waits for a transfer: it is judged slow so often in a row before it is ended, the first time another connection is tried. */
const maxSlowAlone = 2;
/** A part of what was asked for, as some upstreams send, is at least so long, or it is taken for a cut. Bytes. */
const minPart = 64 * 1024;

export interface TransferSettings {
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly spools: SpoolStore;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

/**
 * Brings the bytes of one blob from upstream to a tape: a cut is resumed, another place tried where one was wrong, another connection
 * where one hardly gets on.
 */
export class BlobTransfer {
  readonly #digest: Digest;
  readonly #size: FillSize;
  readonly #followers: FillFollowers;
  readonly #settings: TransferSettings;
  readonly #abort = new AbortController();
  readonly #hasher: DigestHasher;
  #tape: FillTape | undefined;
  readonly #source: BlobSource;
  #relay: Relay | undefined;
  #hopeless = false;
  #piping = false;
  #refutation: unknown;

  /** `onQueued` is told when it begins to wait for its turn at upstream. */
  constructor(
    digest: Digest,
    size: FillSize,
    followers: FillFollowers,
    settings: TransferSettings,
    onQueued: () => void,
  ) {
    this.#digest = digest;
    this.#size = size;
    this.#followers = followers;
    this.#settings = settings;
    this.#hasher = new DigestHasher(digest);
    this.#source = new BlobSource({ digest, size, followers, upstream: settings.upstream, onQueued });
  }

  /** What has come so far; undefined before upstream's headers. */
  get tape(): FillTape | undefined {
    return this.#tape;
  }

  /** Does it wait for its turn at upstream? */
  get isQueued(): boolean {
    return this.#source.isQueued;
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
    using pace = new Pace(this.#settings.clock, (times) => this.#slow(repository, times));
    try {
      await this.#transfer(repository, pace, begun);
      return this.#verified();
    } catch (error) {
      if (error instanceof OtherBlobError) this.#source.leavePlaces();
      // Whoever ended it says so.
      if (this.#hasher.size > 0 && !this.#abort.signal.aborted) {
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
      this.#refutation = blamed(error, 'UNAVAILABLE', 'upstream sent');
      this.#source.leavePlaces();
      throw this.#refutation;
    }
  }

  /** Another connection is tried beside this one. What nobody waits for is not worth more than that. */
  #slow(repository: RepositoryName, times: number): void {
    const { log } = this.#settings;
    const fields = { digest: this.#digest, repository, at: this.#hasher.size };
    if (times < maxSlowAlone || this.#followers.isWaitedFor) {
      log.info(fields, 'a blob transfer hardly gets on: trying another connection');
      this.#relay?.challenge();
    } else {
      log.info(fields, 'a blob transfer hardly gets on, and nobody waits for it: it is ended');
      this.cancel(new Error('nobody waited for this blob, of which hardly a byte came'));
    }
  }

  async #transfer(repository: RepositoryName, pace: Pace, begun: () => void): Promise<void> {
    for (let vain = 0; ; ) {
      const before = this.#hasher.size;
      try {
        if (await this.#receive(repository, pace, begun)) return;
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
    if (this.#tape === undefined && !this.#source.hasAnotherPlace && !this.#size.isDisputed) return false;
    return !(error instanceof RegistryError) || error.status >= 500 || error.status === 429;
  }

  async #pause(vain: number, error: unknown): Promise<void> {
    const { clock, log, random } = this.#settings;
    log.info({ err: error, digest: this.#digest, at: this.#hasher.size }, 'resuming a cut blob transfer');
    await clock.sleep(random() * Math.min(5000, 200 * 2 ** vain), this.#abort.signal);
  }

  /** False: there is more, behind the part that upstream gave. */
  async #receive(repository: RepositoryName, pace: Pace, begun: () => void): Promise<boolean> {
    const { clock, log, spools } = this.#settings;
    const { signal } = this.#abort;
    const before = this.#hasher.size;
    const first = await this.#source.open(repository, before, signal);
    this.#tape ??= new FillTape(spools, clock, () => this.#lowest());
    const tape = this.#tape;
    begun();
    this.#relay = new Relay({
      here: this.#hasher,
      pace,
      clock,
      signal,
      open: async (ending) => await this.#source.open(repository, this.#hasher.size, ending, true),
      leads: (reader) => this.#source.gives(reader),
      take: async (chunk, reader) => await this.#append(tape, chunk, reader),
      lost: (error) => log.info({ err: error, digest: this.#digest }, 'the blob transfer goes on as it was'),
    });
    const last = await this.#relay.run(first);
    return this.#isWhole(last, before);
  }

  #isWhole(last: BlobReader, before: number): boolean {
    const { expected = 0 } = this.#size;
    if (this.#hasher.size >= expected || this.#hasher.isRight) return true;
    if (last.range !== undefined && this.#hasher.size - before >= minPart) return false;
    throw new RegistryError('UNAVAILABLE', `upstream ended after ${this.#hasher.size} of ${expected} bytes`);
  }

  async #append(tape: FillTape, chunk: Uint8Array, reader: BlobReader): Promise<void> {
    this.#checkLength(this.#hasher.size + chunk.length);
    this.#hasher.update(chunk);
    const kept = this.#keep(tape, chunk, reader);
    this.#followers.wake();
    await kept;
  }

  #checkLength(length: number): void {
    const { limit, limitAlone } = this.#size;
    if (length > limit) {
      this.#hopeless = true;
      this.#source.leavePlaces();
      throw new RegistryError('UNAVAILABLE', `upstream sent more than the blob's ${limit} bytes`);
    }
    if (length <= limitAlone || this.#followers.isWaitedFor) return;
    this.#hopeless = true;
    throw new Error(
      `more than ${limitAlone} bytes of a blob whose size nobody says, and nobody waits for it`,
    );
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
    throw new PutOffError('nobody reads a blob that cannot be stored', {
      isOfAll: true,
      cause: tape.storeError,
    });
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
