/** Bytes. */
const slabBytes = 64 * 1024;
/** Where a piece may begin, as in Node's own pool: so few go on just behind the last one. Bytes. */
const alignment = 8;

/**
 * Puts what comes of a body into memory, piece behind piece. Whoever keeps pieces may join what lies together, so where they lie
 * is the seed's, while in Node's pool it depends on whatever else this process does.
 */
export class ReceivedBytes {
  readonly #size: number;
  #slab = Buffer.alloc(0);
  #used = 0;

  /** `length`: of the whole body. */
  constructor(length: number) {
    this.#size = Math.min(slabBytes, length);
  }

  /** A copy. */
  put(bytes: Uint8Array): Buffer {
    if (this.#used + bytes.length > this.#slab.length) {
      this.#slab = Buffer.allocUnsafeSlow(Math.max(this.#size, bytes.length));
      this.#used = 0;
    }
    const piece = this.#slab.subarray(this.#used, this.#used + bytes.length);
    piece.set(bytes);
    this.#used += Math.ceil(bytes.length / alignment) * alignment;
    return piece;
  }
}
