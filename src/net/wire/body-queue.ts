/** So much waits for its reader before the connection is held up. Bytes. */
const enough = 128 * 1024;
/** Smaller chunks behind others are copied side by side: a body may come byte by byte, and each chunk has its price. Bytes. */
const small = 512;
const roomForSmall = 16 * 1024;

/**
 * A body between a connection, which pushes, and its one reader, who asks. Chunks that lie side by side in memory
 * become one while nobody asks. Chunks are the reader's for good.
 */
export class BodyQueue implements AsyncIterable<Buffer> {
  readonly #onRoom: () => void;
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** Where small chunks are copied to: what of it is free. */
  #room: Buffer = Buffer.alloc(0);
  #received = 0;
  #lent = 0;
  #hasEnded = false;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #isRead = false;
  #isDiscarded = false;

  /** `onRoom` is called when a reader waits and nothing is left. */
  constructor(onRoom: () => void) {
    this.#onRoom = onRoom;
  }

  get isFull(): boolean {
    return this.#bytes >= enough;
  }

  /** All bytes that ever came. */
  get received(): number {
    return this.#received;
  }

  /** Those of them that the reader has, or will have, in the memory that they came in. */
  get lent(): number {
    return this.#lent;
  }

  /** Has a reader begun? */
  get isRead(): boolean {
    return this.#isRead;
  }

  push(chunk: Buffer): void {
    this.#received += chunk.length;
    if (this.#isDiscarded || this.#failure !== undefined) return;
    const last = this.#chunks.at(-1);
    if (last !== undefined && chunk.length < small && !isFollowedBy(last, chunk))
      this.#add(this.#copied(chunk));
    else {
      this.#add(chunk);
      this.#lent += chunk.length;
    }
    this.#bytes += chunk.length;
    this.#wake();
  }

  end(): void {
    this.#hasEnded = true;
    this.#wake();
  }

  /** Breaks off behind what has come so far. The first error counts. */
  fail(error: unknown): void {
    if (this.#hasEnded) return;
    this.#failure ??= { error };
    this.#wake();
  }

  /** Forgets what is there and what will come. */
  discard(): void {
    this.#isDiscarded = true;
    this.#chunks = [];
    this.#bytes = 0;
    this.#wake();
  }

  #add(chunk: Buffer): void {
    const at = this.#chunks.length - 1;
    const last = this.#chunks[at];
    if (last !== undefined && isFollowedBy(last, chunk)) this.#chunks[at] = joined(last, chunk);
    else this.#chunks.push(chunk);
  }

  #copied(chunk: Buffer): Buffer {
    if (this.#room.length < chunk.length) this.#room = Buffer.allocUnsafeSlow(roomForSmall);
    const copy = this.#room.subarray(0, chunk.length);
    chunk.copy(copy);
    this.#room = this.#room.subarray(chunk.length);
    return copy;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    this.#isRead = true;
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        this.#bytes -= chunk.length;
        yield chunk;
      } else if (this.#failure !== undefined) throw this.#failure.error;
      else if (this.#isDiscarded) throw new Error('this body was disposed of');
      else if (this.#hasEnded) return;
      else await this.#more();
    }
  }

  async #more(): Promise<void> {
    const arrived = Promise.withResolvers<void>();
    this.#wake = arrived.resolve;
    this.#onRoom();
    await arrived.promise;
  }
}

function isFollowedBy(one: Buffer, other: Buffer): boolean {
  return one.buffer === other.buffer && one.byteOffset + one.length === other.byteOffset;
}

function joined(one: Buffer, other: Buffer): Buffer {
  return Buffer.from(one.buffer, one.byteOffset, one.length + other.length);
}
