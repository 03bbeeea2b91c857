/** One reader's buffers are this large while the pool has some. Bytes. */
const largeBytes = 512 * 1024;
/** What a reader gets when there is none left: slower, but a thousand slow readers do not cost a gigabyte. Bytes. */
const smallBytes = 32 * 1024;
/** So many small ones wait for their next use: readers that follow a growing file take one every moment. */
const maxSmallFree = 128;

/** Large read buffers for a bounded number of readers, small ones for all others. */
export class BufferPool {
  readonly #large: Buffer[] = [];
  readonly #small: Buffer[] = [];
  #left: number;

  /** `capacity` in bytes: what all large buffers take together. */
  constructor(capacity = 16 * 1024 * 1024) {
    this.#left = Math.floor(capacity / largeBytes);
  }

  /** A buffer for reads of up to `want` bytes; it may be smaller. To be given back with {@link release}. */
  take(want: number): Buffer {
    if (want < smallBytes) return Buffer.allocUnsafeSlow(want);
    return this.takeLarge(want) ?? this.#small.pop() ?? Buffer.allocUnsafeSlow(smallBytes);
  }

  /** A large buffer, if there is one left and so much is wanted. */
  takeLarge(want: number): Buffer | undefined {
    if (want <= smallBytes) return undefined;
    const free = this.#large.pop();
    if (free !== undefined || this.#left === 0) return free;
    this.#left -= 1;
    return Buffer.allocUnsafeSlow(largeBytes);
  }

  /** Nobody reads from it or into it any more. */
  release(buffer: Buffer): void {
    if (buffer.length === largeBytes) this.#large.push(buffer);
    else if (buffer.length === smallBytes && this.#small.length < maxSmallFree) this.#small.push(buffer);
  }
}
