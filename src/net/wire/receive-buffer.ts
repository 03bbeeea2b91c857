import { freeChunks } from '../../base/free-chunks.ts';

/** One piece of memory that a socket receives into. Bytes. */
const size = 256 * 1024;
/** With less room a system call brings too little. Bytes. */
const minRoom = 32 * 1024;
/** What the first call for an answer brings at most: whoever waits is given it the sooner. Bytes. */
const firstRoom = 32 * 1024;
/** So many bytes wait for their next use, unless it is said. */
const usuallyFree = 16 * 1024 * 1024;

/** One piece, and how many of its bytes came and are done with. */
interface Loan {
  readonly bytes: Buffer<ArrayBuffer>;
  used: number;
  done: number;
  isFull: boolean;
}

/**
 * Memory that sockets receive into, used again when all bytes that came into it were given back: otherwise a collection
 * is due for each 64 MiB. What is never given back is garbage like any other.
 */
export class ReceiveBuffers {
  readonly #loans = new WeakMap<ArrayBufferLike, Loan>();
  #free: Buffer<ArrayBuffer>[] = [];
  #keeps = false;
  readonly #maxFree: number;

  /** `free`: bytes that may wait for their next use. */
  constructor(free = usuallyFree) {
    this.#maxFree = Math.floor(free / size);
  }

  lend(): Loan {
    this.#keeps = true;
    const bytes = this.#free.pop() ?? Buffer.allocUnsafeSlow(size);
    const loan: Loan = { bytes, used: 0, done: 0, isFull: false };
    this.#loans.set(bytes.buffer, loan);
    return loan;
  }

  /** Nobody reads these bytes any more; each to be said once. What is not of these buffers, as Node makes it for what comes through a proxy, is freed. */
  giveBack(chunk: Uint8Array): void {
    const loan = this.#loans.get(chunk.buffer);
    if (loan === undefined) freeChunks([chunk]);
    else this.done(loan, chunk.byteLength);
  }

  done(loan: Loan, bytes: number): void {
    loan.done += bytes;
    this.#takeBack(loan);
  }

  /** No more will come into it. */
  full(loan: Loan): void {
    loan.isFull = true;
    this.#takeBack(loan);
  }

  /** Keeps nothing until memory is wanted again. */
  clear(): void {
    this.#keeps = false;
    this.#free = [];
  }

  #takeBack({ isFull, done, used, bytes }: Loan): void {
    if (!isFull || done !== used) return;
    this.#loans.delete(bytes.buffer);
    // Whoever has a view of it still, by mistake, sees an empty one then and not the bytes of another blob.
    if (this.#keeps && this.#free.length < this.#maxFree)
      this.#free.push(Buffer.from(bytes.buffer.transfer()));
  }
}

/** Where one socket puts what it receives: large pieces, filled from front to back. */
export class ReceiveBuffer {
  readonly #buffers: ReceiveBuffers;
  #loan: Loan | undefined;

  constructor(buffers: ReceiveBuffers) {
    this.#buffers = buffers;
  }

  /** Where the next bytes go; `first`: those of an answer of which nothing is here yet. */
  room(first: boolean): Buffer {
    if (this.#loan !== undefined && size - this.#loan.used < minRoom) {
      this.#buffers.full(this.#loan);
      this.#loan = undefined;
    }
    this.#loan ??= this.#buffers.lend();
    const { bytes, used } = this.#loan;
    return bytes.subarray(used, first ? used + firstRoom : size);
  }

  /** The `length` bytes that came. */
  take(length: number): Buffer {
    this.#loan ??= this.#buffers.lend();
    const loan = this.#loan;
    loan.used += length;
    return loan.bytes.subarray(loan.used - length, loan.used);
  }

  /** So many of the bytes that were taken last nobody will give back: no content, or copied. */
  done(bytes: number): void {
    if (this.#loan !== undefined && bytes > 0) this.#buffers.done(this.#loan, bytes);
  }
}
