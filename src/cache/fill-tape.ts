import type { VerifiedBlob } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { ByteRange } from '../oci/registry.ts';
import type { BlobStore, BlobWriter } from '../storage/blob-store.ts';
import { MemoryWindow } from './memory-window.ts';

/**
 * What a fill has received so far, readable while it grows: a partial file of the store, and from the byte where
 * that could no longer be written, a window in memory.
 */
export class FillTape implements AsyncDisposable {
  readonly #writer: BlobWriter | undefined;
  readonly #lowest: () => number;
  #window: MemoryWindow | undefined;
  /** Why the store could not take it, once that happened. */
  storeError: unknown;

  private constructor(writer: BlobWriter | undefined, lowest: () => number, storeError?: unknown) {
    this.#writer = writer;
    this.#lowest = lowest;
    if (writer === undefined) this.#pass(storeError);
  }

  /** `lowest` tells how far the slowest reader is. A store without room is no failure. */
  static async open(store: BlobStore, digest: Digest, lowest: () => number): Promise<FillTape> {
    try {
      return new FillTape(await store.begin(digest), lowest);
    } catch (error) {
      return new FillTape(undefined, lowest, error);
    }
  }

  get length(): number {
    return this.#window?.end ?? this.#writer?.length ?? 0;
  }

  /** Does the store hold all of it so far? */
  get isStored(): boolean {
    return this.#window === undefined;
  }

  /** Can a reader begin at this byte? Not where the window has moved on. */
  holds(first: number): boolean {
    if (this.#window === undefined) return true;
    return first >= this.#window.start || this.#window.start === (this.#writer?.length ?? 0);
  }

  /**
   * Settles when the bytes are in: true if the store has them. In memory it waits for readers that are too far behind,
   * and calls `slow` when it begins to; that may drop some and settle, and is called again then.
   */
  async append(
    chunk: Uint8Array,
    signal: AbortSignal,
    slow: (signal: AbortSignal) => Promise<void>,
  ): Promise<boolean> {
    let rest = chunk;
    if (this.#window === undefined && this.#writer !== undefined) {
      const before = this.#writer.length;
      try {
        await this.#writer.write(chunk);
        return true;
      } catch (error) {
        rest = chunk.subarray(this.#writer.length - before);
        this.#pass(error);
      }
    }
    await this.#window?.append(rest, signal, slow);
    return false;
  }

  /** Chunks are valid until the next one is asked for. */
  async *read(range: ByteRange): AsyncGenerator<Uint8Array> {
    const stored = this.#writer?.length ?? 0;
    if (this.#writer !== undefined && range.first < stored) {
      yield* this.#writer.read({ first: range.first, last: Math.min(range.last, stored - 1) });
    }
    if (this.#window !== undefined && range.last >= stored) {
      yield* this.#window.read({ first: Math.max(range.first, stored), last: range.last });
    }
  }

  /** Tells that a reader went on or left. */
  wake(): void {
    this.#window?.wake();
  }

  /** Settles when the blob is durable; nothing to do where it could not be stored. */
  async commit(blob: VerifiedBlob): Promise<void> {
    if (this.isStored) await this.#writer?.commit(blob);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer?.[Symbol.asyncDispose]();
  }

  #pass(error: unknown): void {
    this.storeError = error;
    this.#window = new MemoryWindow({ start: this.#writer?.length ?? 0, lowest: this.#lowest });
  }
}
