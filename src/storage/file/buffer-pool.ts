/** One reader's buffers are this large while the pool has some. */
const pooledBytes = 512 * 1024;
/** What a reader gets when the pool is empty: slower, but a thousand slow readers do not cost a gigabyte. */
const privateBytes = 64 * 1024;

/** Large read buffers for a bounded number of readers, small ones for all others. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  #left: number;

  /** `capacity` in bytes: what all pooled buffers take together. */
  constructor(capacity = 64 * 1024 * 1024) {
    this.#left = Math.floor(capacity / pooledBytes);
  }

  /** A buffer for reads of up to `want` bytes; it may be smaller. To be given back with {@link release}. */
  take(want: number): Buffer {
    if (want <= privateBytes) return Buffer.allocUnsafeSlow(want);
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#left === 0) return Buffer.allocUnsafeSlow(privateBytes);
    this.#left -= 1;
    return Buffer.allocUnsafeSlow(pooledBytes);
  }

  release(buffer: Buffer): void {
    if (buffer.length === pooledBytes) this.#free.push(buffer);
  }
}
