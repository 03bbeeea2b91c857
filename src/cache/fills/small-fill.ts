import { abortable } from '../../base/abortable.ts';
import { readerOfBytes } from '../../oci/reader-of-bytes.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec, Turn } from '../../oci/registry.ts';
import { NoRoomError, type Reservation } from '../../storage/store-room.ts';
import type { FillSettings } from './blob-fill.ts';
import type { Fill, FillProgress, Place, Seat } from './fill.ts';
import { FillOwners } from './fill-owners.ts';
import { Pace } from './pace.ts';
import { LongWayError, receiveWhole, type WholeBlob } from './receive-whole.ts';

export interface SmallFillSettings
  extends Pick<
    FillSettings,
    'upstream' | 'content' | 'backlog' | 'room' | 'maxAbandoned' | 'clock' | 'log' | 'stored'
  > {
  /** Handed what is in the store, and whose it is not said: the bytes are nobody's to change. */
  readonly remember: (digest: Digest, bytes: Uint8Array) => void;
}

/**
 * A blob of so few bytes that it is received whole, hashed at once and answered from memory: nobody follows it while it comes, and it
 * is stored behind the answer. It is asked for once; whatever goes wrong with that behind upstream's headers is another fill's business.
 */
export class SmallFill implements Fill {
  readonly digest: Digest;
  readonly repository: RepositoryName;
  /** Settles when upstream's headers are here, if they say nothing else than was expected. */
  readonly head: Promise<void>;
  readonly done: Promise<void>;
  readonly #expected: number;
  readonly #settings: SmallFillSettings;
  readonly #changed: (fill: Fill) => void;
  readonly #owners: FillOwners;
  readonly #abort = new AbortController();
  readonly #head = Promise.withResolvers<void>();
  readonly #whole = Promise.withResolvers<Uint8Array>();
  #state: 'filling' | 'received' | 'verified' | 'failed' = 'filling';
  #bytes: Uint8Array | undefined;
  #error: unknown;
  #refusal: unknown;
  #clients = 0;
  #isQueued = false;
  #hasBegun = false;
  #isOver = false;

  /** `changed` as a {@link BlobFill}'s. */
  constructor(
    repository: RepositoryName,
    { digest, size = 0 }: BlobInfo,
    settings: SmallFillSettings,
    changed: (fill: Fill) => void,
  ) {
    this.digest = digest;
    this.repository = repository;
    this.#expected = size;
    this.#settings = settings;
    this.#changed = changed;
    this.#owners = new FillOwners(repository, size, settings.stored);
    this.head = this.#head.promise;
    // Nobody may wait.
    for (const each of [this.head, this.#whole.promise]) each.catch(() => {});
    this.done = this.#run();
  }

  get failed(): boolean {
    return this.#state === 'failed';
  }

  get failure(): unknown {
    return this.#error;
  }

  get refusal(): unknown {
    return this.#refusal;
  }

  get isVerified(): boolean {
    return this.#state === 'verified';
  }

  get isWaitedFor(): boolean {
    return this.#clients > 0;
  }

  get isQueued(): boolean {
    return this.#isQueued;
  }

  get isCancelled(): boolean {
    return this.#abort.signal.aborted;
  }

  get isAbandoned(): boolean {
    return this.#state === 'filling' && !this.isCancelled && !this.isWaitedFor;
  }

  get maxAbandoned(): number {
    return this.#settings.maxAbandoned;
  }

  /** Of so few bytes it makes no difference. */
  get isBelieved(): boolean {
    return true;
  }

  /** Of so few bytes nobody counts how many have come. */
  get progress(): FillProgress {
    return { received: this.#bytes?.length ?? 0, expected: this.#expected, limit: this.#expected };
  }

  infoFor(repository: RepositoryName): BlobInfo {
    const size = this.#bytes?.length ?? this.#owners.claimOf(repository);
    return { digest: this.digest, size, isVerified: this.isVerified };
  }

  isOwnedBy(repository: RepositoryName): boolean {
    return this.#owners.has(repository);
  }

  async own(repository: RepositoryName, claimed: number | undefined): Promise<void> {
    await this.#owners.add(repository, claimed);
  }

  canJoin(): boolean {
    return !this.#isOver && !this.isCancelled && !this.failed;
  }

  join({ repository, range, isClient }: Place): Seat | undefined {
    if (!this.canJoin()) return undefined;
    let isLeft = false;
    const leave = (): void => {
      if (!isLeft && isClient) this.#left();
      isLeft = true;
    };
    if (isClient) this.#clients += 1;
    if (isClient) this.#changed(this);
    const isGood = (): boolean => !this.failed;
    return {
      fill: this,
      get isGood() {
        return isGood();
      },
      open: async (signal) => await this.#open(repository, range, signal).finally(leave),
      [Symbol.dispose]: leave,
    };
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason);
  }

  #left(): void {
    this.#clients -= 1;
    if (this.isAbandoned) this.#changed(this);
  }

  async #open(
    repository: RepositoryName,
    range: RangeSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader> {
    if (!this.#owners.has(repository)) throw new Error(`${repository} is not known to own ${this.digest}`);
    const bytes = this.isVerified && this.#bytes ? this.#bytes : await abortable(this.#whole.promise, signal);
    return readerOfBytes(this.digest, bytes, range);
  }

  async #run(): Promise<void> {
    try {
      const whole = await this.#receive();
      this.#bytes = whole.bytes;
      this.#state = 'received';
      this.#changed(this);
      using room = await this.#reserved(whole);
      using place = room && (await this.#admitted(whole));
      this.#state = 'verified';
      this.#whole.resolve(whole.bytes);
      if (room !== undefined && place !== undefined) await this.#store(whole, room);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isOver = true;
    }
  }

  /** Throws upstream's error, or LongWayError. */
  async #receive(): Promise<WholeBlob> {
    const { clock, upstream } = this.#settings;
    const { signal } = this.#abort;
    const options = { signal, turn: this.#turn, size: this.#expected };
    await using reader = await upstream.getBlob(this.repository, this.digest, options);
    this.#hasBegun = true;
    // What has not come whole in the first window, of so few bytes, hardly gets on.
    using pace = new Pace(clock, () => this.#slow(reader));
    pace.begin(reader.heldUpMs);
    return await receiveWhole(reader, this.digest, this.#expected, this.#head.resolve);
  }

  /** The next place may have nothing: then another fill has it from this one. */
  #slow({ putOffPlace }: BlobReader): void {
    putOffPlace?.();
    this.cancel(new LongWayError('it hardly gets on'));
  }

  get #turn(): Turn {
    const isUrgent = (): boolean => this.isWaitedFor;
    return {
      get isUrgent() {
        return isUrgent();
      },
      waits: (isWaiting) => {
        this.#isQueued = isWaiting;
        if (isWaiting) this.#changed(this);
      },
    };
  }

  #fail(error: unknown): void {
    const { signal } = this.#abort;
    // Whatever breaks when it is ended says nothing of why it was.
    this.#error = signal.aborted ? signal.reason : error;
    this.#state = 'failed';
    this.#tell();
    this.#head.reject(this.#error);
    this.#whole.reject(this.#error);
  }

  #tell(): void {
    const { digest, repository } = this;
    const fields = { err: this.#error, digest, repository };
    if (this.#error instanceof LongWayError)
      this.#settings.log.info(fields, 'a small blob did not come whole: it is asked for once more');
    else if (this.#hasBegun && !this.isCancelled) this.#settings.log.warn(fields, 'blob transfer failed');
  }

  /** Undefined: it passes by. As {@link BlobFill} does it, when it is here: it is not worth waiting for before. */
  async #reserved({ blob: { digest, size } }: WholeBlob): Promise<Reservation | undefined> {
    const { log, room } = this.#settings;
    const reserved = await room.reserve(hostOf(this.repository), { bytes: size, come: () => size });
    if (reserved !== undefined) return reserved;
    const error = new NoRoomError();
    this.#refusal = error;
    log.warn({ digest, size }, `blob is passed through: ${error.message}`);
    return undefined;
  }

  /** The same. */
  async #admitted({ blob }: WholeBlob): Promise<Disposable | undefined> {
    const { signal } = this.#abort;
    try {
      return await this.#settings.backlog.admit(blob.size, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#refusal = error;
      const fields = { err: error, digest: this.digest };
      this.#settings.log.warn(fields, 'blob cannot be stored: passing it through');
      return undefined;
    }
  }

  /** It is right whether or not the store can keep it. */
  async #store({ blob, bytes }: WholeBlob, room: Reservation): Promise<void> {
    const { content, log, remember } = this.#settings;
    try {
      await content.keep(blob, bytes);
      remember(this.digest, bytes);
      await this.#owners.link(blob);
      room.settle(blob);
    } catch (error) {
      log.error({ err: error, digest: this.digest }, 'blob could not be stored');
    }
  }
}
