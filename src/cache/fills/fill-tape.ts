import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { ContentStore, StoredBlob } from '../../storage/content-store.ts';
import { Ranges } from '../../storage/ranges.ts';
import type { Spool, SpoolNote, SpoolStore } from '../../storage/spool-store.ts';
import { NoRoomError } from '../../storage/store-room.ts';
import type { ChunkOwnership } from './memory-window.ts';
import { Stretch, type StretchTape } from './stretch.ts';

/** While a file is opened nothing more is taken, so that the first bytes go out; not for longer than this. Milliseconds. */
const maxOpenMs = 10;
/** The last bytes that an earlier transfer has left are asked for anew, though nothing were missing: that upstream gives them shows that it still has the blob, and for whom. Bytes. */
const askedAnew = 64 * 1024;
/** What is written to its end stays in memory for readers who are at it, so much of one blob: there may be hundreds of parts, each with a slow reader. Bytes. */
const maxRead = 4 * 1024 * 1024;

export interface FillTapeParts {
  readonly spools: SpoolStore;
  readonly note: Pick<SpoolNote, 'digest' | 'scope'>;
  readonly clock: Clock;
  readonly lowest: StretchTape['lowest'];
  /**
   * Told when so many bytes have come, more than there was room for so far; for how many there is then. Undefined: for no more, and the tape is given up.
   * Default: there is room for all.
   */
  readonly outgrown?: (bytes: number) => Promise<number | undefined>;
}

/**
 * What a fill has received so far, in any order, readable while it grows: the youngest bytes in memory, all of them in a spool that is
 * written behind. When that can no longer be written, memory alone is left: a full disk makes the cache a pipe, not a failure.
 */
export class FillTape implements StretchTape, AsyncDisposable {
  /** What has come. Where nothing is written some of it has passed by. */
  readonly here = new Ranges();
  readonly lowest: StretchTape['lowest'];
  readonly #parts: FillTapeParts;
  readonly #stretches = new Set<Stretch>();
  #note: SpoolNote | undefined;
  #spool: Spool | undefined;
  #opening: Promise<Spool> | undefined;
  readonly #opened = Promise.withResolvers<void>();
  #moved = Promise.withResolvers<void>();
  #storeError: unknown;
  #keeping: Promise<void> | undefined;
  #isClosed = false;
  #isWritten = false;
  #come = 0;
  #roomFor = 0;
  #growing: Promise<void> | undefined;

  /** Nothing is opened before the first byte has come. `lowest` tells how far the slowest reader is. */
  constructor(parts: FillTapeParts) {
    this.#parts = parts;
    this.lowest = parts.lowest;
  }

  /** Why the store could not take it, once that happened. */
  get storeError(): unknown {
    return this.#storeError;
  }

  get isStored(): boolean {
    return this.#storeError === undefined;
  }

  /** Takes up what an earlier transfer of the blob has left, if it has. */
  async reopen(): Promise<void> {
    const { spools, note } = this.#parts;
    this.#spool = await spools.reopen(note);
    const { ranges } = this.#spool ?? { ranges: new Ranges() };
    for (const { first, last } of ranges) this.here.add(first, Math.min(last + 1, ranges.end - askedAnew));
    this.#come = this.here.total;
  }

  /** There is room for so many bytes. */
  mayHold(bytes: number): void {
    this.#roomFor = bytes;
  }

  /** Behind the last byte of all that came, in this transfer or an earlier one. */
  get end(): number {
    return Math.max(this.here.end, this.#spool?.ranges.end ?? 0);
  }

  /** What is known of the size by now: a later transfer may go on with what this one leaves. */
  mark(size: number | undefined): void {
    this.#note = { ...this.#parts.note, size };
    this.#spool?.mark(this.#note);
  }

  /** Bytes will come in order from here on. */
  begin(at: number): Stretch {
    const stretch = new Stretch(at, this);
    this.#stretches.add(stretch);
    return stretch;
  }

  /** Can a reader begin at this byte, now or when it comes? Not where it has passed by, and nowhere once this is closed. */
  holds(first: number): boolean {
    if (this.#isClosed) return false;
    if (this.isStored || this.here.endFrom(first) === first) return true;
    const end = this.#spool?.ranges.endFrom(first) ?? first;
    return this.#stretchAt(end) !== undefined || end === this.here.endFrom(first);
  }

  /**
   * The stretch's next bytes are readable at once; settles when there is room for more: true if the store takes them. `slow` as in
   * {@link Stretch.room}. Where `isLast` no file is waited for.
   */
  async append(
    stretch: Stretch,
    chunk: Uint8Array,
    ownership: ChunkOwnership,
    isLast: boolean,
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const isFirst = this.#opening === undefined;
    const { end } = stretch;
    this.#come += chunk.length;
    const growing = this.#come > this.#roomFor && this.isStored ? this.#grow() : undefined;
    stretch.push(chunk, ownership);
    this.here.add(end, stretch.end);
    if (growing !== undefined) await growing;
    if (isFirst && !isLast) await this.#untilOpened();
    await stretch.room(() => this.#moved.promise, signal, slow);
    return this.isStored;
  }

  /** From memory, or from the spool up to where memory begins; perhaps not all. Chunks are valid until the next one is asked for. */
  async *read({ first, last }: ByteRange): AsyncGenerator<Uint8Array> {
    const stretch = this.#stretchAt(first);
    const end = Math.min(last, this.#memoryFrom(first) - 1, (this.#spool?.ranges.endFrom(first) ?? 0) - 1);
    if (stretch !== undefined) yield* stretch.read({ first, last: Math.min(last, stretch.end - 1) });
    else if (this.#spool !== undefined && first <= end) yield* this.#spool.read({ first, last: end });
  }

  /** Where the first byte is that is held in memory of what lies before this one. */
  heldFrom(end: number): number {
    let from = end;
    for (const stretch of this.#stretches)
      if (stretch.end <= end && stretch.start < stretch.end) from = Math.min(from, stretch.start);
    return from;
  }

  heldBefore(end: number): number {
    let held = 0;
    for (const stretch of this.#stretches) if (stretch.end <= end) held += stretch.end - stretch.start;
    return held;
  }

  /** Tells that something went on: a reader, a write. */
  wake(): void {
    this.pass();
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  pass(): void {
    for (const stretch of this.#stretches) {
      // What is stored and still comes is dropped as it is written.
      if (this.isStored && !this.#isWritten && !stretch.isDone) continue;
      stretch.pass();
      if (stretch.isOver && stretch.start === stretch.end) this.#stretches.delete(stretch);
    }
    this.#leaveToSpool();
  }

  /** Says that the store will not have it, and why. What is there stays readable; no more is written. */
  giveUp(error: unknown): void {
    this.#storeError ??= error;
    this.#spool?.giveUp();
  }

  /** Settles when the blob is durable; memory holds no more of it meanwhile than readers want. Throws why it could not be stored. */
  async put(blob: VerifiedBlob, content: ContentStore): Promise<StoredBlob> {
    await this.#written();
    // Of a blob of no bytes nothing has come that had to be written.
    const spool = this.isStored ? await this.spool() : undefined;
    if (spool === undefined) throw this.#storeError;
    this.#isWritten = true;
    this.wake();
    const stored = await content.put(spool, blob);
    for (const stretch of this.#stretches) stretch.over();
    this.wake();
    return stored;
  }

  /** As {@link giveUp}, and leaves what is written by now for another transfer to go on with. Rejects where that cannot be. */
  async keep(error: unknown): Promise<void> {
    if (!this.isStored) return;
    this.#storeError = error;
    this.#keeping = this.#spool?.keep();
    await this.#keeping;
  }

  async spool(): Promise<Spool> {
    // Nothing is written before there is room for it.
    if (this.#growing !== undefined) await this.#growing;
    if (!this.isStored) throw this.#storeError;
    this.#opening ??= this.#open();
    return await this.#opening;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#written();
    await this.#keeping?.catch(() => undefined);
    await this.#spool?.[Symbol.asyncDispose]();
  }

  async #grow(): Promise<void> {
    this.#growing ??= this.#growOnce().finally(() => (this.#growing = undefined));
    await this.#growing;
  }

  async #growOnce(): Promise<void> {
    const { outgrown = async () => Number.POSITIVE_INFINITY } = this.#parts;
    const roomFor = await outgrown(this.#come);
    if (roomFor === undefined) this.giveUp(new NoRoomError());
    else this.#roomFor = roomFor;
  }

  async #written(): Promise<void> {
    await Promise.all([...this.#stretches].map(async (stretch) => await stretch.written()));
  }

  /** Of what is done the oldest goes first; who is at it reads on from the spool. */
  #leaveToSpool(): void {
    let held = 0;
    for (const { isDone, start, end } of this.#stretches) if (isDone) held += end - start;
    for (const stretch of this.#stretches) {
      if (held <= maxRead) return;
      if (!stretch.isDone) continue;
      held -= stretch.end - stretch.start;
      stretch.drop();
      this.#stretches.delete(stretch);
    }
  }

  #stretchAt(first: number): Stretch | undefined {
    for (const stretch of this.#stretches) if (stretch.start <= first && first < stretch.end) return stretch;
    return undefined;
  }

  #memoryFrom(first: number): number {
    let from = Number.POSITIVE_INFINITY;
    for (const { start, end } of this.#stretches)
      if (first < start && start < end) from = Math.min(from, start);
    return from;
  }

  async #untilOpened(): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _limit = this.#parts.clock.after(maxOpenMs, late.resolve);
    await Promise.race([this.#opened.promise, late.promise]);
  }

  /** Whoever waits for the first bytes has them before a file is opened. */
  async #open(): Promise<Spool> {
    try {
      if (this.#spool === undefined) {
        await setImmediate();
        this.#spool = await this.#parts.spools.begin();
      }
      if (this.#note !== undefined) this.#spool.mark(this.#note);
      return this.#spool;
    } finally {
      this.#opened.resolve();
    }
  }
}
