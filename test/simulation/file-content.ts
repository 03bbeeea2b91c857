import type { ByteRange } from '#src/oci/registry.ts';
import { Ranges } from '#src/storage/ranges.ts';
import type { Random } from './random.ts';

/** The bytes of one file: what programs see, and which of them the disk itself has. */
export class FileContent {
  mtimeMs: number;
  /** When it got its name. */
  ctimeMs: number;
  readonly inode: number;
  /** Each name, write and other change moves it on. */
  changes = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #size = 0;
  /** These survive a power cut. */
  #durable = new Ranges();
  /** What was written since a sync began that still runs, for each. */
  readonly #sinceSync = new Set<ByteRange[]>();

  constructor(mtimeMs: number, inode: number) {
    this.mtimeMs = mtimeMs;
    this.ctimeMs = mtimeMs;
    this.inode = inode;
  }

  get size(): number {
    return this.#size;
  }

  read(position: number, length: number): Buffer {
    return this.#bytes.subarray(position, Math.min(this.#size, position + length));
  }

  write(chunk: Uint8Array, position: number): void {
    const end = position + chunk.length;
    if (end > this.#bytes.length) this.#grow(end);
    this.#bytes.set(chunk, position);
    this.#size = Math.max(this.#size, end);
    const written = { first: position, last: end - 1 };
    this.#durable = without(this.#durable, [written]);
    for (const since of this.#sinceSync) since.push(written);
  }

  /** Behind the server's back. */
  spoil(kind: 'flip' | 'truncate' | 'touch', at: number, isSilent = false): void {
    if (!isSilent) this.changes += 1;
    if (kind === 'flip') this.#bytes[at] = (this.#bytes[at] ?? 0) ^ 1;
    if (kind !== 'truncate') return;
    this.#bytes.fill(0, at);
    this.#size = at;
    this.#durable = this.#durable.upTo(at);
  }

  /** What a sync that begins now has brought to the disk when it ends. */
  synced(): () => void {
    const last = this.#size - 1;
    const since: ByteRange[] = [];
    this.#sinceSync.add(since);
    return () => {
      this.#sinceSync.delete(since);
      const synced = without(new Ranges([{ first: 0, last }]), since);
      for (const range of synced) this.#durable.add(range.first, range.last + 1);
    };
  }

  /** What was not synced may be there, in part, as zeros, or at the end of the file not at all. */
  cutPower(random: Random): void {
    const durable = [...this.#durable].at(-1)?.last ?? -1;
    const kept = random.pick([durable + 1, durable + 1, random.between(durable + 1, this.#size), this.#size]);
    for (const { first, last } of without(new Ranges([{ first: 0, last: kept - 1 }]), this.#durable)) {
      const lost = random.pick([last + 1, last + 1, first, random.between(first, last)]);
      this.#bytes.fill(0, lost, last + 1);
    }
    this.#bytes.fill(0, kept);
    this.#size = kept;
    this.#durable = new Ranges([{ first: 0, last: kept - 1 }]);
    this.#sinceSync.clear();
  }

  #grow(needed: number): void {
    const bytes = Buffer.alloc(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(bytes, 0, 0, this.#size);
    this.#bytes = bytes;
  }
}

function without(ranges: Ranges, gone: Iterable<ByteRange>): Ranges {
  let left = ranges;
  for (const { first, last } of gone) {
    if (left.nextFrom(first) > last) continue;
    const pieces = [...left].flatMap((range) => [
      { first: range.first, last: Math.min(range.last, first - 1) },
      { first: Math.max(range.first, last + 1), last: range.last },
    ]);
    left = new Ranges(pieces);
  }
  return left;
}
