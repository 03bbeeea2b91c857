import type { ByteRange } from '../oci/registry.ts';

/** A piece of memory that bytes are copied into; `length` of it are filled. */
interface Segment {
  readonly at: number;
  readonly bytes: Uint8Array;
  length: number;
}

/** Small blobs take little; the rest comes in pieces that are worth a system call. Bytes. */
const firstSizes = [16 * 1024, 128 * 1024];
const segmentSize = 256 * 1024;
/** A smaller chunk is copied beside others: each piece is a call of its own for those who send it. Bytes. */
const minKept = 16 * 1024;

/** The youngest bytes of a stream, in memory. What was read stays valid when it is dropped. */
export class MemoryWindow {
  #segments: Segment[] = [];
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

  /** Copies, unless the chunk may be kept (nobody writes to it again) and is worth it. */
  push(chunk: Uint8Array, mayKeep = false): void {
    if (mayKeep && chunk.length >= minKept) {
      this.#segments.push({ at: this.#end, bytes: chunk, length: chunk.length });
      this.#end += chunk.length;
      return;
    }
    for (let done = 0; done < chunk.length; ) {
      const segment = this.#tail(chunk.length - done);
      const part = chunk.subarray(done, done + segment.bytes.length - segment.length);
      segment.bytes.set(part, segment.length);
      segment.length += part.length;
      this.#end += part.length;
      done += part.length;
    }
  }

  /** What is there from here on, at most `limit` bytes, piece by piece; nothing where it was dropped. */
  from(first: number, limit: number): Uint8Array[] {
    return [...this.read({ first, last: Math.min(this.#end, first + limit) - 1 })];
  }

  *read({ first, last }: ByteRange): Generator<Uint8Array> {
    if (first < this.#start) return;
    for (const { at, bytes, length } of [...this.#segments]) {
      if (at + length > first && at <= last) {
        yield bytes.subarray(Math.max(0, first - at), Math.min(length, last + 1 - at));
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
    }
  }

  /** A segment with room. */
  #tail(wanted: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.length < last.bytes.length) return last;
    const size = Math.max(firstSizes[this.#made] ?? segmentSize, Math.min(wanted, segmentSize));
    this.#made += 1;
    const made = { at: this.#end, bytes: Buffer.allocUnsafeSlow(size), length: 0 };
    this.#segments.push(made);
    return made;
  }
}
