import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { BlobReader, Registry } from '../../oci/registry.ts';
import { NoRoomError } from '../../storage/store-room.ts';
import type { BlobSource } from './blob-source.ts';
import { FillRun, type FillRunParts } from './fill-run.ts';
import type { FillSize } from './fill-size.ts';
import { type Here, OtherBlobError } from './overlap.ts';
import type { Pace } from './pace.ts';
import { PassingOver } from './passing-over.ts';
import { PutOffError } from './put-off.ts';
import { Relay } from './relay.ts';
import { Speed } from './speed.ts';

/** A part of what was asked for, as some upstreams send, is at least so long, or it is taken for a cut. Bytes. */
const minPart = 64 * 1024;

export interface TransferSettings {
  readonly upstream: Pick<Registry, 'getBlob'>;
  readonly clock: Clock;
  readonly log: Log;
  /** 0 ≤ random < 1, for jitter. */
  readonly random: () => number;
}

export interface TransferParts extends FillRunParts {
  readonly digest: Digest;
  /** In whose name upstream is asked. */
  readonly repository: RepositoryName;
  readonly size: FillSize;
  readonly source: BlobSource;
  readonly settings: TransferSettings;
}

/** What comes of one blob in order, by one request of upstream after the other, each for what is missing where the last one ended. */
export class InOrder {
  readonly #parts: TransferParts;
  readonly #signal: AbortSignal;
  readonly #over: PassingOver;
  #at = 0;
  /** How fast the last request was, until something was in its way. Bytes a millisecond. */
  #rate = 0;
  /** With the time until what was asked for came. */
  #speed: Speed;
  #relay: Relay | undefined;
  #isBegun = false;
  #isHopeless = false;
  #isPiping = false;

  constructor(parts: TransferParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    this.#over = new PassingOver(parts);
    this.#speed = new Speed(parts.clock);
  }

  /** All bytes before this one have come. */
  get at(): number {
    return this.#at;
  }

  /** Have upstream's headers come, once? */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  /** Will no further request make a blob of it? */
  get isHopeless(): boolean {
    return this.#isHopeless;
  }

  /** By the digest. Of no bytes there is a blob, too: none is here before upstream has said that it has it. */
  get isRight(): boolean {
    const { front } = this.#parts;
    return this.#isBegun && front.size === this.#at && front.isRight;
  }

  /** Is this byte here soon by the request that was made last, or is made next? */
  bringsSoon(byte: number): boolean {
    return this.#speed.bringsSoon(byte - this.#parts.tape.here.endFrom(this.#at));
  }

  /** Another connection is tried beside the one that brings bytes now. */
  challenge(): void {
    this.#relay?.challenge();
  }

  /** Waits for what is on its way to the next byte, as long as that is not far slower than what came in order was. */
  async passOver(): Promise<void> {
    const before = this.#at;
    this.#at = await this.#over.from(before, this.#rate, this.#signal);
    if (this.#at > before) this.#speed = new Speed(this.#parts.clock);
  }

  /**
   * By one request. `begun` is called when upstream's headers are here. False: there is more, behind the part that upstream gave or what is
   * here already. Throws upstream's error, or why it is of no use.
   */
  async receive(pace: Pace, begun: () => void): Promise<boolean> {
    if (this.#isWhole) return true;
    const { repository, source, tape } = this.#parts;
    const before = this.#at;
    this.#speed.brought(0);
    const first = await source.open(repository, this.#gap(), this.#signal);
    try {
      this.#begin(begun);
    } catch (error) {
      await first[Symbol.asyncDispose]();
      throw error;
    }
    using run = new FillRun(before, Number.POSITIVE_INFINITY, this.#parts);
    this.#relay = this.#relayTo(run, pace);
    const last = await this.#relay.run(first).finally(() => this.#speed.brought(run.at - before));
    this.#rate = run.rate;
    return !(run.isOver && tape.isStored) && this.#isAll(last, before);
  }

  #relayTo(run: FillRun, pace: Pace): Relay {
    const { clock, digest, repository, settings, source } = this.#parts;
    return new Relay({
      here: this.#here,
      pace,
      clock,
      signal: this.#signal,
      open: async (ending) => await source.open(repository, this.#gap(), ending, true),
      leads: (reader) => source.gives(reader),
      take: async (chunk, reader) => await this.#take(run, chunk, reader),
      lost: (error) => settings.log.info({ err: error, digest }, 'the blob transfer goes on as it was'),
    });
  }

  /** Upstream's headers are here. Throws OtherBlobError where an earlier transfer has left more than the blob has. */
  #begin(begun: () => void): void {
    const { size, tape } = this.#parts;
    this.#isBegun = true;
    if (size.known !== undefined && tape.end > size.known) throw new OtherBlobError();
    tape.mark(size.known);
    begun();
  }

  /** What is missing from here on: to the end, where nothing is here further on. */
  #gap(): { first: number; last: number | undefined } {
    const { tape } = this.#parts;
    const next = tape.isStored ? tape.here.nextFrom(this.#at) : Number.POSITIVE_INFINITY;
    return { first: this.#at, last: Number.isFinite(next) ? next - 1 : undefined };
  }

  get #here(): Here {
    const at = () => this.#at;
    const { front } = this.#parts;
    return {
      get size() {
        return at();
      },
      sum: () => front.sum(at()),
    };
  }

  /** By the digest, where nobody has said how long it is. */
  get #isWhole(): boolean {
    const { known } = this.#parts.size;
    return this.#isBegun && ((known !== undefined && this.#at >= known) || this.isRight);
  }

  #isAll(last: BlobReader, before: number): boolean {
    const { expected = 0 } = this.#parts.size;
    if (this.#at >= expected || this.#isWhole) return true;
    if (last.range !== undefined && this.#at - before >= minPart) return false;
    throw new RegistryError('UNAVAILABLE', `upstream ended after ${this.#at} of ${expected} bytes`);
  }

  /** True: what comes next is here already, or on its way. */
  async #take(run: FillRun, chunk: Uint8Array, reader: BlobReader): Promise<boolean> {
    this.#checkLength(this.#at + chunk.length);
    const { size } = this.#parts;
    const taken = run.take(chunk, reader, this.#at + chunk.length === size.expected, this.#signal);
    this.#at = run.at;
    const isStored = await taken;
    // Nor does the store take what was ended meanwhile.
    this.#signal.throwIfAborted();
    if (!isStored) this.#pipe();
    return run.isOver;
  }

  #checkLength(length: number): void {
    const { followers, size, source } = this.#parts;
    const { limit, limitAlone } = size;
    if (length > limit) {
      this.#isHopeless = true;
      source.leavePlaces();
      throw new RegistryError('UNAVAILABLE', `upstream sent more than the blob's ${limit} bytes`);
    }
    if (length <= limitAlone || followers.isWaitedFor) return;
    this.#isHopeless = true;
    throw new Error(
      `more than ${limitAlone} bytes of a blob whose size nobody says, and nobody waits for it`,
    );
  }

  #pipe(): void {
    const { digest, followers, settings, tape } = this.#parts;
    if (!this.#isPiping)
      settings.log.error({ err: tape.storeError, digest }, 'blob cannot be stored: passing it through');
    this.#isPiping = true;
    if (!followers.isEmpty) return;
    this.#isHopeless = true;
    throw new PutOffError('nobody reads a blob that cannot be stored', {
      // What a quota has no room for may be larger than others.
      isOfAll: !(tape.storeError instanceof NoRoomError),
      cause: tape.storeError,
    });
  }
}
