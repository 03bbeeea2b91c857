import type { ByteRange } from '../oci/registry.ts';

/** Which bytes are there, in order, without two that touch. Few: looked through from the beginning. */
export class Ranges {
  #all: ByteRange[] = [];

  constructor(all: Iterable<ByteRange> = []) {
    for (const { first, last } of all) this.add(first, last + 1);
  }

  /** How many bytes. */
  get total(): number {
    return this.#all.reduce((sum, { first, last }) => sum + last + 1 - first, 0);
  }

  /** Behind the last byte. */
  get end(): number {
    return (this.#all.at(-1)?.last ?? -1) + 1;
  }

  /** The first byte from `at` on that is not there. */
  endFrom(at: number): number {
    const found = this.#all.find(({ first, last }) => first <= at && at <= last);
    return found === undefined ? at : found.last + 1;
  }

  /** The first byte from `at` on that is there; Infinity: none. */
  nextFrom(at: number): number {
    const found = this.#all.find(({ last }) => at <= last);
    return found === undefined ? Number.POSITIVE_INFINITY : Math.max(at, found.first);
  }

  /** How many bytes are missing from `first` on, before `end`. */
  missing(first: number, end: number): number {
    let missing = 0;
    for (let at = this.endFrom(first); at < end; ) {
      const next = Math.min(this.nextFrom(at), end);
      missing += next - at;
      at = this.endFrom(next);
    }
    return missing;
  }

  /** From `first` on, before `end`. */
  add(first: number, end: number): void {
    if (end <= first) return;
    const tail = this.#all.at(-1);
    // Bytes mostly come in order.
    if (tail !== undefined && tail.last + 1 === first) {
      this.#all[this.#all.length - 1] = { first: tail.first, last: end - 1 };
      return;
    }
    const apart = this.#all.filter((range) => range.last + 1 < first || range.first > end);
    const joined = this.#all.filter((range) => range.last + 1 >= first && range.first <= end);
    const merged = {
      first: Math.min(first, ...joined.map((range) => range.first)),
      last: Math.max(end - 1, ...joined.map((range) => range.last)),
    };
    this.#all = [...apart, merged].toSorted((one, other) => one.first - other.first);
  }

  /** Those before byte `end`, for themselves. */
  upTo(end: number): Ranges {
    return new Ranges(this.#all.map(({ first, last }) => ({ first, last: Math.min(last, end - 1) })));
  }

  [Symbol.iterator](): Iterator<ByteRange> {
    return this.#all[Symbol.iterator]();
  }
}
