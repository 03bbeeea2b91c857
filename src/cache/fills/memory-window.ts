import type { BlobReader, ByteRange } from '../../oci/registry.ts';

/** Whose a chunk is: may it be kept, and does somebody want it back? */
export type ChunkOwnership = Pick<BlobReader, 'mayKeep' | 'giveBack'>;

/** A piece of memory that bytes are copied into, or a chunk that was kept; `length` of it are filled. */
interface Segment {
  readonly at: number;
  readonly bytes: Uint8Array;
  length: number;
  /** Where its memory is wanted back: when it was dropped and no reader is at it. */
  readonly giveBack?: ChunkOwnership['giveBack'];
  readers: number;
  isDropped: boolean;
}

/** Small blobs take little; the rest comes in pieces that are worth a system call. Bytes. */
const firstSizes = [16 * 1024, 128 * 1024];
const segmentSize = 256 * 1024;
/** A smaller chunk is copied beside others: each piece is a call of its own for those who send it. Bytes. */
const minKept = 16 * 1024;

/**
 * The youngest bytes of a stream, in memory. What was read stays valid when it is dropped, until the next piece is asked for;
 * for good where no chunk is wanted back.
 */
export class MemoryWindow {
  #segments: Segment[] = [];
  #made = 0;
  #start: number;
  #end: number;

  /** `at`: the first byte that will come. */
  constructor(at = 0) {
    this.#start = at;
    this.#end = at;
  }

  /** The first byte that can still be read. */
  get start(): number {
    return this.#start;
  }

  get end(): number {
    return this.#end;
  }

  /** Copies, unless the chunk may be kept (nobody writes to it before it is given back) and is worth it. */
  push(chunk: Uint8Array, { mayKeep = false, giveBack }: ChunkOwnership = {}): void {
    if (mayKeep && chunk.length >= minKept) {
      const { length } = chunk;
      this.#segments.push({ at: this.#end, bytes: chunk, length, giveBack, readers: 0, isDropped: false });
      this.#end += length;
    } else {
      this.#copy(chunk);
      giveBack?.(chunk);
    }
  }

  #copy(chunk: Uint8Array): void {
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

  /** Piece by piece, as far as it is still there; holds no more than the piece that the reader is at. */
  *read({ first, last }: ByteRange): Generator<Uint8Array> {
    for (let next = first; next <= last; ) {
      const segment = this.#at(next);
      if (segment === undefined) return;
      const piece = segment.bytes.subarray(
        next - segment.at,
        Math.min(segment.length, last + 1 - segment.at),
      );
      // Before it is given back, with which it becomes empty.
      next += piece.length;
      segment.readers += 1;
      yield piece;
      // Not for readers who stop here: they may still be sending it. Then it is garbage.
      segment.readers -= 1;
      giveBackUnread(segment);
    }
  }

  #at(position: number): Segment | undefined {
    return this.#segments.find(({ at, length }) => at <= position && position < at + length);
  }

  /** Drops whole segments before byte `to`, as long as `keep` bytes are left. */
  drop(to: number, keep = 0): void {
    for (let oldest = this.#segments[0]; oldest !== undefined; oldest = this.#segments[0]) {
      const end = oldest.at + oldest.length;
      if (end > to || this.#end - end < keep) return;
      this.#segments.shift();
      oldest.isDropped = true;
      giveBackUnread(oldest);
      this.#start = end;
    }
  }

  /** A segment with room. */
  #tail(wanted: number): Segment {
    const last = this.#segments.at(-1);
    if (last !== undefined && last.length < last.bytes.length) return last;
    const size = Math.max(firstSizes[this.#made] ?? segmentSize, Math.min(wanted, segmentSize));
    this.#made += 1;
    const bytes = Buffer.allocUnsafeSlow(size);
    const made = { at: this.#end, bytes, length: 0, readers: 0, isDropped: false };
    this.#segments.push(made);
    return made;
  }
}

function giveBackUnread({ isDropped, readers, giveBack, bytes }: Segment): void {
  if (isDropped && readers === 0) giveBack?.(bytes);
}
