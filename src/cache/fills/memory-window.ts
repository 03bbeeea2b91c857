import type { BlobReader, ByteRange } from '../../oci/registry.ts';

/** Whose a chunk is: may it be kept, and does somebody want it back? */
export type ChunkOwnership = Pick<BlobReader, 'mayKeep' | 'giveBack'>;

/** A piece of memory that bytes are copied into, or chunks that were kept and lie side by side; `length` of it are filled. */
interface Segment {
  readonly at: number;
  bytes: Uint8Array;
  length: number;
  /** Where its memory is wanted back: when it was dropped and no reader is at it. */
  readonly giveBack?: ChunkOwnership['giveBack'];
  readers: number;
  isDropped: boolean;
}

/** Small blobs take little; the rest comes in pieces that are worth a system call. Bytes. */
const firstSizes = [16 * 1024, 128 * 1024];
const segmentSize = 256 * 1024;
/** A smaller chunk that does not lie behind the last one is copied beside others: each piece is a call of its own for those who send it. Bytes. */
const minKept = 16 * 1024;
/** So many segments wait for their next use; what is beyond that is freed. */
const maxSpare = 2;

/**
 * The youngest bytes of a stream, in memory. What was read stays valid when it is dropped, until the next piece is asked for.
 */
export class MemoryWindow {
  #segments: Segment[] = [];
  #made = 0;
  /** Of the full size, and nobody's. */
  #spare: Buffer<ArrayBuffer>[] = [];
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
    if (mayKeep && this.#goesOn(chunk, giveBack)) return;
    if (mayKeep && chunk.length >= minKept) {
      const { length } = chunk;
      this.#segments.push({ at: this.#end, bytes: chunk, length, giveBack, readers: 0, isDropped: false });
      this.#end += length;
      this.#made = 0;
    } else {
      this.#copy(chunk);
      giveBack?.(chunk);
    }
  }

  /** Keeps what lies behind the last chunk in one piece with it, however small. */
  #goesOn(chunk: Uint8Array, giveBack: ChunkOwnership['giveBack']): boolean {
    const last = this.#segments.at(-1);
    if (last === undefined || last.giveBack !== giveBack || last.length + chunk.length > segmentSize)
      return false;
    const { buffer, byteOffset } = last.bytes;
    if (buffer !== chunk.buffer || byteOffset + last.length !== chunk.byteOffset) return false;
    last.length += chunk.length;
    last.bytes = Buffer.from(chunk.buffer, byteOffset, last.length);
    this.#end += chunk.length;
    return true;
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
    const bytes = (size === segmentSize ? this.#spare.pop() : undefined) ?? Buffer.allocUnsafeSlow(size);
    const giveBack = () => this.#reuse(bytes);
    const made = { at: this.#end, bytes, length: 0, giveBack, readers: 0, isDropped: false };
    this.#segments.push(made);
    return made;
  }

  /** Whoever has a view of it still, by mistake, sees an empty one then. */
  #reuse({ buffer }: Buffer<ArrayBuffer>): void {
    const isSpare = buffer.byteLength === segmentSize && this.#spare.length < maxSpare;
    if (isSpare) this.#spare.push(Buffer.from(buffer.transfer()));
    else buffer.transfer(0);
  }
}

function giveBackUnread({ isDropped, readers, giveBack, bytes }: Segment): void {
  if (isDropped && readers === 0) giveBack?.(bytes);
}
