import type { ByteRange } from '../../oci/registry.ts';
import type { Spool } from '../../storage/spool-store.ts';
import type { ReadRange } from './fill-followers.ts';
import { type ChunkOwnership, MemoryWindow } from './memory-window.ts';

/** Received and not yet written: a disk that is slower than the network holds it up here. Bytes. */
const maxUnwritten = 1 * 1024 * 1024;
/** So much stays in memory after it was written, for readers who keep up. Bytes. */
const kept = 512 * 1024;
/** What one call writes at most. Bytes. */
const maxWrite = 1024 * 1024;
/** How far the slowest reader may be behind where nothing is written. Bytes. */
const maxPassing = 8 * 1024 * 1024;

/** What a stretch needs of the tape that it is part of. */
export interface StretchTape {
  /** Does the store take it, so far? */
  readonly isStored: boolean;
  /** Where it is written to. Throws why there is no such place. */
  spool(): Promise<Spool>;
  /** It cannot be written. */
  giveUp(error: unknown): void;
  /** How far the slowest reader of these bytes is. */
  lowest(range: ReadRange): number;
  /** Forgets what no reader wants. */
  pass(): void;
  /** How much of what lies before this byte is in memory. Bytes. */
  heldBefore(end: number): number;
  /** Readers may look again. */
  wake(): void;
}

/**
 * Bytes that come in order, readable while they come: the youngest in memory, all of them in the spool that is written behind. Where
 * that can no longer be written, memory alone is left, and the slowest reader sets the pace.
 */
export class Stretch {
  readonly #tape: StretchTape;
  readonly #window: MemoryWindow;
  #written: number;
  #writing: Promise<void> | undefined;
  #isOver = false;

  constructor(at: number, tape: StretchTape) {
    this.#tape = tape;
    this.#window = new MemoryWindow(at);
    this.#written = at;
  }

  /** What of it is in memory: from the first byte to before the second. */
  get start(): number {
    return this.#window.start;
  }

  get end(): number {
    return this.#window.end;
  }

  /** Does it not grow any more? */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Does it not grow any more, and is all of it written? */
  get isDone(): boolean {
    return this.#isOver && this.#tape.isStored && this.#written === this.end;
  }

  /** The bytes are readable at once; to be followed by `room`. */
  push(chunk: Uint8Array, ownership: ChunkOwnership): void {
    this.#window.push(chunk, ownership);
    if (this.#tape.isStored) this.#writing ??= this.#write();
  }

  /**
   * Settles when there is room for more. Where the store takes nothing, this waits for readers that are too far behind, and calls `slow`
   * when it begins to; that may drop some and settle, and is called again then.
   */
  async room(
    moved: () => Promise<void>,
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    while (this.#tape.isStored && this.end - this.#written >= maxUnwritten) {
      signal.throwIfAborted();
      await moved();
    }
    if (this.#tape.isStored) return;
    for (this.#tape.pass(); this.#tape.heldBefore(this.end) >= maxPassing; this.#tape.pass()) {
      signal.throwIfAborted();
      const waiting = new AbortController();
      await Promise.race([moved(), slow(waiting.signal)]).finally(() => waiting.abort());
    }
  }

  /** From memory, as far as it is there. Chunks are valid until the next one is asked for. */
  read(range: ByteRange): Generator<Uint8Array> {
    return this.#window.read(range);
  }

  /** Forgets what no reader wants; of what is done, what no reader is at: who comes reads what was written. */
  pass(): void {
    const { start, end } = this;
    const lowest = this.#tape.lowest({ start, end, from: this.isDone ? start : 0 });
    // The memory of what is being written is nobody's before it is.
    this.#window.drop(this.#writing === undefined ? lowest : Math.min(lowest, this.#written));
  }

  /** Forgets all of it. */
  drop(): void {
    this.#window.drop(this.end);
  }

  /** Nothing more comes. */
  over(): void {
    this.#isOver = true;
  }

  /** Settles when all that has come is written, or nothing more will be. */
  async written(): Promise<void> {
    await this.#writing;
  }

  /** Writes until there is nothing left: what comes meanwhile goes with the next call, so calls are few and large. */
  async #write(): Promise<void> {
    try {
      const spool = await this.#tape.spool();
      while (this.#tape.isStored && this.#written < this.end) {
        const chunks = this.#window.from(this.#written, maxWrite);
        await spool.write(this.#written, ...chunks);
        this.#written += chunks.reduce((sum, { length }) => sum + length, 0);
        this.#window.drop(this.#written, kept);
        this.#tape.wake();
      }
    } catch (error) {
      this.#tape.giveUp(error);
    } finally {
      this.#writing = undefined;
      this.#tape.wake();
    }
  }
}
