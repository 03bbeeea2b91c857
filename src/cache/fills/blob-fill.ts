import { abortable } from '../../base/abortable.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { resolveRange } from '../../oci/range.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo, BlobReader, RangeSpec } from '../../oci/registry.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import {
  NoRoomError,
  type Reservation,
  roomFor,
  roomOnWord,
  type StoreRoom,
} from '../../storage/store-room.ts';
import type { Backlog } from './backlog.ts';
import { type ComposedFill, type ComposedFillSettings, composeFill } from './compose-fill.ts';
import type { Fill, FillProgress, Place, Seat } from './fill.ts';
import type { Follower } from './fill-followers.ts';
import { FillOwners, type LinkOwner } from './fill-owners.ts';
import { PutOffError } from './put-off.ts';

export interface FillSettings extends ComposedFillSettings {
  readonly content: ContentStore;
  readonly backlog: Backlog;
  readonly room: StoreRoom;
  /** Settles when one of the same blob has left what came of it that was ended and is not over yet. */
  readonly after: Promise<void> | undefined;
  /** So many of its registry's transfers may run that nobody waits for. */
  readonly maxAbandoned: number;
  /** Called for each repository that owns the blob once it is durable in the store, mostly before the fill is forgotten. */
  readonly stored: LinkOwner;
  /** Called at the very end, with what is to be disposed; perhaps more than once. */
  readonly closed: (tape: AsyncDisposable) => void;
}

/**
 * One transfer of one blob from upstream, owned by the cache and not by a client: readers follow the growing bytes at
 * their own pace and come and go. A cut is resumed, the last bytes stay back until the digest matched, a full disk makes
 * it a pipe.
 */
export class BlobFill implements Fill {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  /** Is what is said of its size enough for others to give way? */
  readonly isBelieved: boolean;
  /** Settles when upstream's headers are here; rejects with what upstream answered instead. */
  readonly head: Promise<void>;
  /** Settles when nothing is left to do, however it ended. */
  readonly done: Promise<void>;

  readonly #settings: FillSettings;
  readonly #changed: (fill: BlobFill) => void;
  readonly #owners: FillOwners;
  readonly #parts: ComposedFill;
  readonly #head = Promise.withResolvers<void>();
  /** `received`: all is here, and right, and waits until the store takes it. */
  #state: 'filling' | 'received' | 'verified' | 'failed' = 'filling';
  #error: unknown;
  #finished = false;
  #room: Reservation | undefined;

  /**
   * `changed` is told when a client has come or the last one has left, when it begins to wait for its turn at upstream, when more has come of what others do not give
   * way for by its size, and when all is here.
   */
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
    this.#owners = new FillOwners(repository, expected.size, settings.stored);
    this.isBelieved = expected.isVerified === true || settings.room.believes(hostOf(repository));
    const queued = () => changed(this);
    const outgrown = async (bytes: number) => await this.#grown(bytes);
    this.#parts = composeFill(this, repository, this.#owners, expected, settings, queued, outgrown);
    this.head = this.#head.promise;
    this.head.catch(() => {});
    this.done = this.#run();
  }

  /** Did upstream fail, lie or vanish? Then the next reader needs a new fill. */
  get failed(): boolean {
    return this.#state === 'failed';
  }

  /** Why it has failed. */
  get failure(): unknown {
    return this.#error;
  }

  /** Why it will not be stored; undefined: it will, as far as anybody knows by now. */
  get refusal(): unknown {
    return this.#parts.tape.storeError;
  }

  /** Is all of it here, and right? */
  get isVerified(): boolean {
    return this.#state === 'verified';
  }

  /** Does a client wait for it? */
  get isWaitedFor(): boolean {
    return this.#parts.followers.isWaitedFor;
  }

  /** Does it wait for its turn at upstream? */
  get isQueued(): boolean {
    return this.#parts.source.isQueued;
  }

  /** Was it ended from here, whatever upstream would have given? */
  get isCancelled(): boolean {
    return this.#parts.transfer.signal.aborted;
  }

  /** Does it still ask upstream for what no client waits for? */
  get isAbandoned(): boolean {
    return this.#state === 'filling' && !this.isCancelled && !this.isWaitedFor;
  }

  get maxAbandoned(): number {
    return this.#settings.maxAbandoned;
  }

  get progress(): FillProgress {
    const { size, tape } = this.#parts;
    return { received: tape.here.total, expected: size.expected, limit: size.limitAlone };
  }

  /** The blob as this repository sees it; as to its size before upstream's headers only what was known before. */
  infoFor(repository: RepositoryName): BlobInfo {
    const size = this.#parts.size.known ?? this.#owners.claimOf(repository);
    return { digest: this.digest, size, isVerified: this.isVerified };
  }

  isOwnedBy(repository: RepositoryName): boolean {
    return this.#owners.has(repository);
  }

  /** Upstream has shown that this repository owns the blob too. `claimed`: the size that its manifests give, if they do. */
  async own(repository: RepositoryName, claimed: number | undefined): Promise<void> {
    if (this.#owners.has(repository)) return;
    this.#parts.size.allow(claimed);
    await this.#owners.add(repository, claimed);
  }

  /** Can a reader still begin there? Once it is over its tape may be closed. */
  canJoin(spec: RangeSpec | undefined): boolean {
    return !this.#finished && !this.isCancelled && this.#canReadFrom(this.#firstOf(spec));
  }

  /** Takes a place, at once. Undefined: not possible any more. */
  join({ repository, range: spec, isClient }: Place): Seat | undefined {
    if (!this.canJoin(spec)) return undefined;
    const follower = this.#parts.followers.join(repository, this.#firstOf(spec), isClient);
    if (isClient) this.#changed(this);
    const isGood = () => this.#parts.followers.has(follower) && this.#canReadFrom(follower.at);
    return {
      fill: this,
      get isGood() {
        return isGood();
      },
      open: async (signal) => await this.#open(follower, spec, signal),
      [Symbol.dispose]: () => this.#leave(follower),
    };
  }

  /** Ends it now: what came is left for the next one. */
  cancel(reason: unknown): void {
    this.#parts.transfer.cancel(reason);
  }

  async #open(
    follower: Follower,
    spec: RangeSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader> {
    if (!this.#owners.has(follower.repository))
      throw new Error(`${follower.repository} is not known to own ${this.digest}`);
    const { ahead, size, source, transfer } = this.#parts;
    if (spec !== undefined && !transfer.isBegun) {
      await abortable(Promise.race([source.asked, this.head]), signal);
      ahead.foresee(spec, size.expected);
    }
    await abortable(this.head, signal);
    const info = this.infoFor(follower.repository);
    const range = spec === undefined || info.size === undefined ? undefined : resolveRange(spec, info.size);
    follower.at = range?.first ?? 0;
    if (range !== undefined) follower.until = range.last + 1;
    const leave = () => this.#leave(follower);
    signal?.addEventListener('abort', leave, { once: true });
    return {
      ...info,
      range,
      body: this.#parts.bytes.follow(follower, info.size),
      async [Symbol.asyncDispose]() {
        signal?.removeEventListener('abort', leave);
        leave();
      },
    };
  }

  async #run(): Promise<void> {
    try {
      await this.#takeUp();
      using _room = await this.#reserved();
      const blob = await this.#parts.transfer.run(() => this.#begun());
      this.#parts.size.settle(blob.size);
      this.#state = 'received';
      this.#changed(this);
      using _ = await this.#admitted(blob);
      this.#settle('verified');
      await this.#publish(blob);
    } catch (error) {
      this.#fail(error);
    } finally {
      await this.#parts.ahead.end();
      this.#finished = true;
      this.#release();
    }
  }

  /** What an earlier transfer has left is not fetched again. */
  async #takeUp(): Promise<void> {
    const { after, log } = this.#settings;
    await after;
    try {
      await this.#parts.tape.reopen();
      const { received } = this.progress;
      if (received > 0) log.info({ digest: this.digest, received }, 'a blob transfer goes on where it was');
    } catch (error) {
      log.warn({ err: error, digest: this.digest }, 'what has come of a blob before cannot be used');
    }
  }

  /** By what is known or claimed before upstream is asked. Without room it passes through, where somebody waits for it; else this throws PutOffError. */
  async #reserved(): Promise<Disposable | undefined> {
    const { expected } = this.progress;
    const isClaim = this.#parts.size.known === undefined;
    const come = (): number => this.progress.received;
    const bytes = this.isBelieved ? expected : undefined;
    if (this.#mayFit(expected))
      this.#room = await this.#settings.room.reserve(hostOf(this.repository), { bytes, isClaim, come });
    if (this.#room === undefined) this.#passThrough(expected);
    else this.#parts.tape.mayHold(this.#room.bytes);
    return this.#room;
  }

  #passThrough(size: number | undefined): void {
    const error = new NoRoomError();
    if (!this.isWaitedFor) throw new PutOffError(error.message, { cause: error });
    this.#settings.log.warn({ digest: this.digest, size }, `blob is passed through: ${error.message}`);
    this.#parts.tape.giveUp(error);
  }

  /** By what upstream has announced since, as far as it is believed; else little by little, whatever its manifest claims. */
  async #grown(bytes: number): Promise<number | undefined> {
    const { known = 0 } = this.#parts.size;
    const { room: wanted, hoped = 0 } = this.#roomOf(bytes, known);
    // Others may have to give way to what has come.
    if (!this.isBelieved) this.#changed(this);
    return this.#mayFit(known) && (await this.#room?.grow(wanted, hoped)) === true ? wanted : undefined;
  }

  #roomOf(bytes: number, announced: number): { readonly room: number; readonly hoped?: number } {
    if (announced < bytes) return { room: roomFor(bytes) };
    return this.isBelieved ? { room: announced } : roomOnWord(bytes, announced);
  }

  /** What nobody believes counts against who says it: nothing gives way for a beginning of what never fits. */
  #mayFit(bytes: number | undefined): boolean {
    return this.isBelieved || this.#settings.room.admits(hostOf(this.repository), bytes);
  }

  /** Upstream's headers are here. */
  #begun(): void {
    const { known } = this.#parts.size;
    if (known !== undefined) this.#room?.shrink(known);
    this.#head.resolve();
  }

  #fail(error: unknown): void {
    const { tape, transfer } = this.#parts;
    // Whatever breaks when it is ended says nothing of why it was.
    this.#error = this.isCancelled ? transfer.signal.reason : error;
    if (transfer.isWorthKeeping) tape.keep(this.#error).catch((why: unknown) => this.#isNotKept(why));
    else tape.giveUp(this.#error);
    this.#settle('failed');
    this.#head.reject(this.#error);
  }

  #isNotKept(why: unknown): void {
    this.#settings.log.warn({ err: why, digest: this.digest }, 'what has come of a blob could not be kept');
  }

  /**
   * Whoever waits for the last bytes waits until the store takes the blob: what clients have and what would not survive a crash
   * is bounded. What is not taken in time passes by.
   */
  async #admitted({ size }: VerifiedBlob): Promise<Disposable | undefined> {
    const { backlog, log } = this.#settings;
    const { tape, transfer } = this.#parts;
    if (!tape.isStored) return undefined;
    try {
      return await backlog.admit(size, transfer.signal);
    } catch (error) {
      transfer.signal.throwIfAborted();
      tape.giveUp(error);
      log.warn({ err: error, digest: this.digest }, 'blob cannot be stored: passing it through');
      return undefined;
    }
  }

  /** A verified blob is right whether or not the store can keep it. */
  async #publish(blob: VerifiedBlob): Promise<void> {
    const { tape } = this.#parts;
    if (!tape.isStored) return;
    try {
      await this.#owners.link(await tape.put(blob, this.#settings.content));
      this.#room?.settle(blob);
    } catch (error) {
      tape.giveUp(error);
      this.#settings.log.error({ err: error, digest: this.digest }, 'blob could not be stored');
    }
  }

  /** While the size is not known, all begin at the first byte; perhaps it will be. */
  #firstOf(spec: RangeSpec | undefined): number {
    const size = this.#parts.size.known;
    if (spec === undefined || size === undefined) return 0;
    return 'suffix' in spec ? Math.max(0, size - spec.suffix) : Math.min(spec.first, size);
  }

  #canReadFrom(first: number): boolean {
    return this.#state !== 'failed' && this.#parts.tape.holds(first);
  }

  #settle(state: 'verified' | 'failed'): void {
    this.#state = state;
    this.#parts.followers.wake();
  }

  #leave(follower: Follower): void {
    this.#parts.followers.leave(follower);
    this.#parts.tape.wake();
    this.#parts.ahead.left();
    this.#release();
    if (this.isAbandoned) this.#changed(this);
  }

  /** The partial file goes when the transfer is over and the last reader has left. */
  #release(): void {
    if (this.#finished && this.#parts.followers.isEmpty) this.#settings.closed(this.#parts.tape);
  }
}
