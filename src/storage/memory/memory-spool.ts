import type { ByteRange } from '../../oci/registry.ts';
import type { KeptSpool, KeptSpools } from '../kept-spools.ts';
import { Ranges } from '../ranges.ts';
import type { Spool, SpoolNote } from '../spool-store.ts';
import { slices } from './slices.ts';

/** What is kept of one, with its room. */
export interface KeptMemory extends KeptSpool {
  readonly content: MemoryContent;
}

export interface MemoryContent {
  bytes: Buffer<ArrayBufferLike>;
  readonly ranges: Ranges;
}

export interface MemorySpoolParts {
  /** Told how many bytes more it has, or less; throws StoreFullError. */
  readonly take: (bytes: number) => void;
  readonly kept: KeptSpools<KeptMemory>;
}

/** Bytes on their way, in memory. */
export class MemorySpool implements Spool {
  readonly #parts: MemorySpoolParts;
  readonly #content: MemoryContent;
  #note: SpoolNote | undefined;
  #isOver = false;
  /** Its room is another's, or free. */
  #isGone = false;

  readonly #lasting: ((wasPut: boolean) => void) | undefined;

  /** `lasting`: what is there stays when it is disposed of, and this is told then whether it was put. */
  constructor(
    parts: MemorySpoolParts,
    content: MemoryContent = { bytes: Buffer.alloc(0), ranges: new Ranges() },
    lasting?: (wasPut: boolean) => void,
  ) {
    this.#parts = parts;
    this.#content = content;
    this.#lasting = lasting;
  }

  get ranges(): Ranges {
    return this.#content.ranges;
  }

  async write(first: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    let to = first;
    for (const chunk of chunks) {
      const at = to;
      await this.#parts.kept.withRoom(async () => this.#put(at, chunk));
      to += chunk.length;
    }
  }

  read({ first, last }: ByteRange): AsyncIterable<Uint8Array> {
    return slices(this.#content.bytes.subarray(first, last + 1));
  }

  /** All of it, whose room is another's from now on. */
  finished(size: number): Uint8Array {
    if (this.ranges.endFrom(0) !== size || this.ranges.total !== size)
      throw new Error(`not the blob that was spooled: it has ${size} bytes, here are ${this.ranges.total}`);
    this.#isOver = true;
    this.#isGone = true;
    return this.#content.bytes.subarray(0, size);
  }

  mark(note: SpoolNote): void {
    this.#note = note;
  }

  async keep(): Promise<void> {
    this.#isOver = true;
    const { take, kept } = this.#parts;
    const bytes = this.ranges.total;
    if (this.#isGone || this.#note === undefined || bytes < kept.worth) return;
    this.#isGone = true;
    const content = { bytes: this.#content.bytes, ranges: new Ranges(this.ranges) };
    await kept.add({ note: this.#note, bytes, content, discard: async () => take(-bytes) });
  }

  giveUp(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#lasting?.(this.#isGone);
    if (!this.#isGone && this.#lasting === undefined) this.#parts.take(-this.ranges.total);
    this.#isGone = true;
  }

  /** At once: its room and its bytes are the same matter. */
  #put(at: number, chunk: Uint8Array): void {
    if (this.#isOver) throw new Error('nothing more is written to this spool');
    const end = at + chunk.length;
    this.#parts.take(this.ranges.missing(at, end));
    this.#make(end);
    this.#content.bytes.set(chunk, at);
    this.ranges.add(at, end);
  }

  #make(length: number): void {
    const { bytes } = this.#content;
    if (length <= bytes.length) return;
    const grown = Buffer.alloc(Math.max(length, 2 * bytes.length));
    bytes.copy(grown);
    this.#content.bytes = grown;
  }
}
