import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { Spool, SpoolStore } from '../../storage/spool-store.ts';
import { type ChunkOwnership, MemoryWindow } from './memory-window.ts';

/** Received and not yet written: a disk that is slower than the network holds it up here. Bytes. */
const maxUnwritten = 1 * 1024 * 1024;
/** While a file is opened nothing more is taken, so that the first bytes go out; not for longer than this. Milliseconds. */
const maxOpenMs = 10;
/** So much stays in memory after it was written, for readers who keep up. Bytes. */
const kept = 512 * 1024;
/** What one call writes at most. Bytes. */
const maxWrite = 1024 * 1024;
/** How far the slowest reader may be behind where nothing is written. Bytes. */
const maxPassing = 8 * 1024 * 1024;

/**
 * What a fill has received so far, readable while it grows: its youngest bytes in memory, all of them in a partial file that
 * is written behind. When that can no longer be written, memory alone is left, and the slowest reader sets the pace: a full
 * disk makes the cache a pipe, not a failure.
 */
export class FillTape implements AsyncDisposable {
  readonly #spools: SpoolStore;
  readonly #clock: Clock;
  readonly #lowest: () => number;
  readonly #window = new MemoryWindow();
  #spool: Spool | undefined;
  #writing: Promise<void> | undefined;
  #moved = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  #storeError: unknown;
  #isClosed = false;
  #isWritten = false;

  /** Nothing is opened before the first byte has come. `lowest` tells how far the slowest reader is. */
  constructor(spools: SpoolStore, clock: Clock, lowest: () => number) {
    this.#spools = spools;
    this.#clock = clock;
    this.#lowest = lowest;
  }

  /** Bytes that came so far. */
  get length(): number {
    return this.#window.end;
  }

  /** Why the store could not take it, once that happened. */
  get storeError(): unknown {
    return this.#storeError;
  }

  /** Does the store take it, so far? */
  get isStored(): boolean {
    return this.#storeError === undefined;
  }

  /** Can a reader begin at this byte? Not where memory has moved on from what was written, and nowhere once it is closed. */
  holds(first: number): boolean {
    if (this.#isClosed) return false;
    return first >= this.#window.start || this.#written >= this.#window.start;
  }

  /**
   * The bytes are readable at once; settles when there is room for more: true if the store takes them. Where it does not, this
   * waits for readers that are too far behind, and calls `slow` when it begins to; that may drop some and settle, and is called
   * again then. Where `isLast` no file is waited for.
   */
  async append(
    chunk: Uint8Array,
    ownership: ChunkOwnership,
    isLast: boolean,
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    const isFirst = this.length === 0;
    this.#window.push(chunk, ownership);
    if (this.isStored) this.#writing ??= this.#write();
    if (isFirst && !isLast) await this.#untilOpened();
    while (this.isStored && this.length - this.#written >= maxUnwritten) {
      signal.throwIfAborted();
      await this.#moved.promise;
    }
    if (!this.isStored) await this.#untilReadersKeepUp(signal, slow);
    return this.isStored;
  }

  /** From memory, or from the file up to where memory begins; perhaps not all. Chunks are valid until the next one is asked for. */
  async *read({ first, last }: ByteRange): AsyncGenerator<Uint8Array> {
    const end = Math.min(last, this.#window.start - 1, this.#written - 1);
    if (first >= this.#window.start) yield* this.#window.read({ first, last });
    else if (this.#spool !== undefined && first <= end) yield* this.#spool.read({ first, last: end });
  }

  /** Tells that a reader went on or left. */
  wake(): void {
    if (this.#isWritten) this.#pass();
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  /** Says that the store will not have it, and why. What is there stays readable; no more is written. */
  giveUp(error: unknown): void {
    this.#storeError ??= error;
    this.#spool?.giveUp();
  }

  /** Settles when the blob is durable; memory holds no more of it meanwhile than readers want. Throws why it could not be stored. */
  async put(blob: VerifiedBlob, content: ContentStore): Promise<void> {
    this.#writing ??= this.#write();
    await this.#writing;
    if (this.#spool === undefined || !this.isStored) throw this.#storeError;
    this.#isWritten = true;
    this.#pass();
    await content.put(this.#spool, blob);
    this.#window.drop(this.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#writing;
    await this.#spool?.[Symbol.asyncDispose]();
  }

  get #written(): number {
    return this.#spool?.ranges.endFrom(0) ?? 0;
  }

  /** Writes until there is nothing left: what comes meanwhile goes with the next call, so calls are few and large. */
  async #write(): Promise<void> {
    try {
      this.#spool ??= await this.#begin();
      while (this.isStored && this.#written < this.length) {
        await this.#spool.write(this.#written, ...this.#window.from(this.#written, maxWrite));
        this.#window.drop(this.#written, kept);
        this.wake();
      }
    } catch (error) {
      this.giveUp(error);
    } finally {
      this.#writing = undefined;
      this.wake();
    }
  }

  async #untilOpened(): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _limit = this.#clock.after(maxOpenMs, late.resolve);
    await Promise.race([this.#opened.promise, late.promise]);
  }

  /** Whoever waits for the first bytes has them before a file is opened. */
  async #begin(): Promise<Spool> {
    await setImmediate();
    try {
      return await this.#spools.begin();
    } finally {
      this.#opened.resolve();
    }
  }

  async #untilReadersKeepUp(
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    for (this.#pass(); this.length - this.#window.start >= maxPassing; this.#pass()) {
      signal.throwIfAborted();
      const waiting = new AbortController();
      await Promise.race([this.#moved.promise, slow(waiting.signal)]).finally(() => waiting.abort());
    }
  }

  #pass(): void {
    this.#window.drop(this.#lowest());
  }
}
