import type { WirePace } from './fake-wire.ts';
import type { Life } from './life.ts';
import type { Random } from './random.ts';
import { ReceivedBytes } from './received-bytes.ts';
import { bodyError } from './wire-error.ts';

interface FakeBodyParts {
  readonly bytes: Uint8Array;
  readonly life: Life;
  readonly random: Random;
  readonly pace: WirePace;
  readonly stallTimeoutMs: number;
  readonly label: string;
  readonly signal: AbortSignal;
  /** It breaks off somewhere, or stands still there, or hardly gets on from there. */
  readonly breaks: 'cut' | 'stall' | 'drip' | undefined;
  /** Its chunks are received into memory that is used again. */
  readonly isTakenBack: boolean;
  /** Told how long each chunk is that it brings. */
  readonly brings?: ((length: number) => void) | undefined;
  readonly over: () => void;
}

/** Of so few some come before each cut. */
const fewBytes = 16;
/** What one that drips brings in a second at most. Bytes. */
const maxDrop = 1000;

/** A body that comes chunk by chunk. */
export class FakeBody implements AsyncIterable<Buffer> {
  readonly #parts: FakeBodyParts;
  readonly #ended = new AbortController();
  #isOver = false;

  constructor(parts: FakeBodyParts) {
    this.#parts = parts;
  }

  get isOfBlob(): boolean {
    return this.#parts.isTakenBack;
  }

  get label(): string {
    return this.#parts.label;
  }

  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended.abort(bodyError('UND_ERR_ABORTED'));
    this.#parts.over();
  }

  /** Something else is received into it from now on. */
  takeBack(chunk: Uint8Array): void {
    if (this.#parts.isTakenBack) chunk.fill(0xdd);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    const { bytes, random, pace, breaks, stallTimeoutMs, label } = this.#parts;
    const last = breaks === undefined ? bytes.length : this.#breaksAt();
    const received = new ReceivedBytes(bytes.length);
    for (let at = 0; at < last; ) {
      await this.#pause(random.about(pace.chunkMs), label);
      const length = random.between(1, pace.chunkBytes);
      const chunk = received.put(bytes.subarray(at, Math.min(last, at + length)));
      at += chunk.length;
      this.#parts.brings?.(chunk.length);
      yield chunk;
    }
    if (breaks === 'drip') yield* this.#drip(last, received);
    if (breaks === 'cut') {
      await this.#pause(random.about(pace.chunkMs), `${label}: cut`);
      throw bodyError('ECONNRESET');
    }
    if (breaks === 'stall') {
      await this.#pause(stallTimeoutMs, `${label}: stands still`);
      throw bodyError('UND_ERR_BODY_TIMEOUT');
    }
  }

  /** Far less than any transfer should bring. */
  async *#drip(from: number, received: ReceivedBytes): AsyncGenerator<Buffer> {
    const { bytes, random, label } = this.#parts;
    for (let at = from; at < bytes.length; ) {
      await this.#pause(1000, `${label}: drips`);
      const chunk = received.put(bytes.subarray(at, at + random.between(1, maxDrop)));
      at += chunk.length;
      yield chunk;
    }
  }

  /** The last few bytes come in the end: who resumes goes on as long as there is one more. */
  #breaksAt(): number {
    const { bytes, random, breaks } = this.#parts;
    const least = breaks === 'cut' && bytes.length <= fewBytes ? Math.min(1, bytes.length) : 0;
    return random.between(least, Math.max(least, bytes.length - 1));
  }

  async #pause(milliseconds: number, label: string): Promise<void> {
    const { life, signal } = this.#parts;
    await life.pause(milliseconds, label, AbortSignal.any([signal, this.#ended.signal]));
  }
}
