import type { ByteRange } from '../oci/registry.ts';

interface Piece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/**
 * The last few bytes of a stream that could not be stored. What every reader has passed is dropped; `append` waits
 * when readers are too far behind. So a full disk makes the cache a pipe, not a failure.
 */
export class MemoryWindow {
  readonly #capacity: number;
  readonly #lowest: () => number;
  #pieces: Piece[] = [];
  #start: number;
  #end: number;
  #moved = Promise.withResolvers<void>();

  /** Begins at byte `start`; `lowest` tells how far the slowest reader is; `capacity` in bytes. */
  constructor(options: { start: number; lowest: () => number; capacity?: number }) {
    this.#start = options.start;
    this.#end = options.start;
    this.#lowest = options.lowest;
    this.#capacity = options.capacity ?? 8 * 1024 * 1024;
  }

  /** The first byte that can still be read. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /**
   * Settles when the bytes are in. While readers are too far behind it waits until they move; each wait calls `slow`,
   * whose settling ends it too and whose signal says that the wait is over.
   */
  async append(
    chunk: Uint8Array,
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    for (this.#drop(); this.#end - this.#start >= this.#capacity; this.#drop()) {
      signal.throwIfAborted();
      const waiting = new AbortController();
      await Promise.race([this.#moved.promise, slow(waiting.signal)]).finally(() => waiting.abort());
    }
    this.#pieces.push({ at: this.#end, bytes: Uint8Array.from(chunk) });
    this.#end += chunk.length;
  }

  /** Tells that a reader went on or left. */
  wake(): void {
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  *read({ first, last }: ByteRange): Generator<Uint8Array> {
    for (const { at, bytes } of [...this.#pieces]) {
      if (at + bytes.length > first && at <= last) {
        yield bytes.subarray(Math.max(0, first - at), Math.min(bytes.length, last + 1 - at));
      }
    }
  }

  #drop(): void {
    const lowest = this.#lowest();
    const kept = this.#pieces.findIndex(({ at, bytes }) => at + bytes.length > lowest);
    this.#pieces = kept === -1 ? [] : this.#pieces.slice(kept);
    this.#start = this.#pieces[0]?.at ?? this.#end;
  }
}
