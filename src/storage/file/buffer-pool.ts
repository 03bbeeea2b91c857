/** One reader's buffers are this large while the pool has some. */
const pooledBytes = 512 * 1024;
/** What a reader gets when the pool is empty: slower, but a thousand slow readers do not cost a gigabyte. */
const privateBytes = 64 * 1024;

/** Large read buffers for a bounded number of readers, small ones for all others. */
export class BufferPool {
  readonly #free: Buffer[] = [];
  #left: number;

  /** `capacity` in bytes: what all pooled buffers take together. */
  constructor(capacity = 32 * 1024 * 1024) {
    this.#left = Math.floor(capacity / pooledBytes);
  }

  /** A buffer for reads of up to `want` bytes; it may be smaller. To be given back with {@link release}. */
  take(want: number): Buffer {
    return this.takeLarge(want) ?? Buffer.allocUnsafeSlow(Math.min(want, privateBytes));
  }

  /** A large buffer, if there is one left and so much is wanted. */
  takeLarge(want: number): Buffer | undefined {
    if (want <= privateBytes) return undefined;
    const free = this.#free.pop();
    if (free !== undefined || this.#left === 0) return free;
    this.#left -= 1;
    return Buffer.allocUnsafeSlow(pooledBytes);
  }

  release(buffer: Buffer): void {
    if (buffer.length === pooledBytes) this.#free.push(buffer);
  }
}
