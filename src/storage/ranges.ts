import type { ByteRange } from '../oci/registry.ts';

/** Which bytes are there, in order, without two that touch. There may be hundreds, and each chunk adds to them. */
export class Ranges {
  readonly #all: ByteRange[] = [];

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
    const found = this.#all[this.#reaching(at)];
    return found === undefined || found.first > at ? at : found.last + 1;
  }

  /** The first byte from `at` on that is there; Infinity: none. */
  nextFrom(at: number): number {
    const found = this.#all[this.#reaching(at)];
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
    const from = this.#reaching(first - 1);
    let behind = from;
    let joined = { first, last: end - 1 };
    for (let next = this.#all[from]; next !== undefined && next.first <= end; next = this.#all[behind]) {
      joined = { first: Math.min(joined.first, next.first), last: Math.max(joined.last, next.last) };
      behind += 1;
    }
    this.#all.splice(from, behind - from, joined);
  }

  /** Those before byte `end`, for themselves. */
  upTo(end: number): Ranges {
    return new Ranges(this.#all.map(({ first, last }) => ({ first, last: Math.min(last, end - 1) })));
  }

  /** Where the first one is that has this byte or one behind it. */
  #reaching(byte: number): number {
    let [from, to] = [0, this.#all.length];
    while (from < to) {
      const middle = (from + to) >>> 1;
      if ((this.#all[middle]?.last ?? 0) < byte) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  [Symbol.iterator](): Iterator<ByteRange> {
    return this.#all[Symbol.iterator]();
  }
}
