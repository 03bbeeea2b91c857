import type { ByteRange } from '../../oci/registry.ts';
import { Ranges } from '../ranges.ts';
import type { Spool } from '../spool-store.ts';
import { slices } from './slices.ts';

/** Bytes on their way, in memory. */
export class MemorySpool implements Spool {
  readonly ranges = new Ranges();
  readonly #take: (bytes: number) => void;
  #bytes = Buffer.alloc(0);
  #isOver = false;

  /** `take` is told how many bytes more it has, or less; throws StoreFullError. */
  constructor(take: (bytes: number) => void) {
    this.#take = take;
  }

  async write(at: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    let to = at;
    for (const chunk of chunks) {
      this.#take(chunk.length);
      this.#make(to + chunk.length);
      this.#bytes.set(chunk, to);
      this.ranges.add(to, to + chunk.length);
      to += chunk.length;
    }
  }

  read({ first, last }: ByteRange): AsyncIterable<Uint8Array> {
    return slices(this.#bytes.subarray(first, last + 1));
  }

  /** All of it, whose room is another's from now on. */
  finished(size: number): Uint8Array {
    if (this.ranges.endFrom(0) !== size || this.ranges.total !== size)
      throw new Error(`not the blob that was spooled: it has ${size} bytes, here are ${this.ranges.total}`);
    this.#isOver = true;
    return this.#bytes.subarray(0, size);
  }

  mark(): void {}

  async keep(): Promise<void> {}

  giveUp(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.#take(-this.ranges.total);
    this.#isOver = true;
  }

  #make(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(length, 2 * this.#bytes.length));
    this.#bytes.copy(grown);
    this.#bytes = grown;
  }
}
