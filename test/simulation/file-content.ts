import type { Random } from './random.ts';

/** The bytes of one file: what programs see, and how much of it the disk itself has. */
export class FileContent {
  mtimeMs: number;
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  /** So many of its first bytes survive a power cut. */
  #durable = 0;

  constructor(mtimeMs: number) {
    this.mtimeMs = mtimeMs;
  }

  get size(): number {
    return this.#size;
  }

  read(position: number, length: number): Buffer {
    return this.#bytes.subarray(position, Math.min(this.#size, position + length));
  }

  write(chunk: Uint8Array, position: number): void {
    const end = position + chunk.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(chunk, position);
    this.#size = Math.max(this.#size, end);
    this.#durable = Math.min(this.#durable, position);
  }

  /** What a sync that begins now has brought to the disk when it ends. */
  synced(): () => void {
    const size = this.#size;
    return () => {
      this.#durable = Math.max(this.#durable, Math.min(size, this.#size));
    };
  }

  /** What was not synced may be there, in part, as zeros, or not at all. */
  cutPower(random: Random): void {
    const kept = random.pick([
      this.#durable,
      this.#durable,
      random.between(this.#durable, this.#size),
      this.#size,
    ]);
    if (random.chance(0.3)) this.#bytes.fill(0, this.#durable, kept);
    this.#size = kept;
    this.#durable = kept;
  }

  #grow(needed: number): void {
    const bytes = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(bytes, 0, 0, this.#size);
    this.#bytes = bytes;
  }
}
