import type { ByteRange } from '../oci/registry.ts';

/** A piece of memory that bytes are copied into; `length` of it are filled. */
interface Segment {
  readonly at: number;
  readonly bytes: Buffer;
  length: number;
  readers: number;
}

/** Small blobs take little; the rest comes in pieces that are worth a system call. Bytes. */
const firstSizes = [16 * 1024, 128 * 1024];
const segmentSize = 512 * 1024;
const maxSpare = 2;

/**
 * The youngest bytes of a stream, in memory, which is used again: what was read stays valid until its reader asks for more,
 * though it is dropped meanwhile.
 */
export class MemoryWindow {
  #segments: Segment[] = [];
  #spare: Buffer[] = [];
  #made = 0;
  #start = 0;
  #end = 0;

  /** The first byte that can still be read. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Copies. */
  push(chunk: Uint8Array): void {
    for (let done = 0; done < chunk.length; ) {
      const segment = this.#tail(chunk.length - done);
      const part = chunk.subarray(done, done + segment.bytes.length - segment.length);
      segment.bytes.set(part, segment.length);
      segment.length += part.length;
      this.#end += part.length;
      done += part.length;
    }
  }

  /** Some bytes from here on, as many as lie together; none at the end and where they were dropped. */
  from(first: number): Uint8Array {
    for (const part of this.read({ first, last: this.#end - 1 })) return part;
    return Buffer.alloc(0);
  }

  *read({ first, last }: ByteRange): Generator<Uint8Array> {
    if (first < this.#start) return;
    for (const segment of [...this.#segments]) {
      const { at, bytes, length } = segment;
      if (at + length <= first || at > last) continue;
      segment.readers += 1;
      try {
        yield bytes.subarray(Math.max(0, first - at), Math.min(length, last + 1 - at));
      } finally {
        segment.readers -= 1;
      }
    }
  }

  /** Drops whole segments before byte `to`, as long as `keep` bytes are left. */
  drop(to: number, keep = 0): void {
    for (let oldest = this.#segments[0]; oldest !== undefined; oldest = this.#segments[0]) {
      const end = oldest.at + oldest.length;
      if (end > to || this.#end - end < keep) return;
      this.#segments.shift();
      this.#start = end;
      const isFree = oldest.readers === 0 && oldest.bytes.length === segmentSize;
      if (isFree && this.#spare.length < maxSpare) this.#spare.push(oldest.bytes);
    }
  }

  /** A segment with room. */
  #tail(wanted: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.length < last.bytes.length) return last;
    const size = Math.max(firstSizes[this.#made] ?? segmentSize, Math.min(wanted, segmentSize));
    this.#made += 1;
    const bytes = (size === segmentSize ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
    const made = { at: this.#end, bytes, length: 0, readers: 0 };
    this.#segments.push(made);
    return made;
  }
}
