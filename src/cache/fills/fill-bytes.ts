import { RegistryError } from '../../oci/error.ts';
import type { BlobTransfer } from './blob-transfer.ts';
import type { FillFollowers, Follower } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';
import type { FillTape } from './fill-tape.ts';

/** So many bytes at the end stay back until the digest is known to be right. */
const heldBack = 64 * 1024;

/** How a fill has ended, if it has. */
interface FillEnd {
  readonly isVerified: boolean;
  readonly failed: boolean;
  readonly failure: unknown;
}

export interface FillBytesParts {
  readonly end: FillEnd;
  readonly transfer: Pick<BlobTransfer, 'tape' | 'isRefuted' | 'refutation'>;
  readonly size: Pick<FillSize, 'known'>;
  readonly followers: Pick<FillFollowers, 'has'>;
}

/** What a fill's readers may have of its bytes: each at its own pace, as they come, and the last ones when they are known to be right. */
export class FillBytes {
  readonly #parts: FillBytesParts;

  constructor(parts: FillBytesParts) {
    this.#parts = parts;
  }

  /** From where the follower is. `told`: the size that its reader was told. Throws why the fill has failed, or passed it by. */
  async *follow(
    follower: Follower,
    told: number | undefined,
    last = Number.POSITIVE_INFINITY,
  ): AsyncGenerator<Uint8Array> {
    const { end, transfer } = this.#parts;
    while (follower.at <= last) {
      const to = Math.min(this.#visible(), last + 1);
      const { tape } = transfer;
      this.#checkGoesOn(follower);
      this.#checkSize(told);
      if (follower.at < to && tape !== undefined) yield* this.#advance(tape, follower, to - 1);
      else if (end.isVerified) return;
      else if (end.failed) throw end.failure;
      else await new Promise<void>((resolve) => (follower.wake = resolve));
    }
  }

  async *#advance(tape: FillTape, follower: Follower, last: number): AsyncGenerator<Uint8Array> {
    const before = follower.at;
    for await (const chunk of tape.read({ first: before, last })) {
      yield chunk;
      follower.at += chunk.length;
      tape.wake();
      this.#checkGoesOn(follower);
    }
    if (follower.at === before) throw passedBy('these bytes of the blob have passed by already');
  }

  /** What was cut off is given as far as it came, for whoever resumes; what is known to be wrong is not. */
  #checkGoesOn(follower: Follower): void {
    const { transfer, followers } = this.#parts;
    if (transfer.isRefuted) throw transfer.refutation;
    if (!followers.has(follower)) throw passedBy('this reader of the blob was disposed or is too slow');
  }

  /** Of a reader that was told another size than the blob has, the answer cannot be completed; other readers' can. */
  #checkSize(told: number | undefined): void {
    const length = this.#length;
    if (told === undefined || (this.#parts.end.isVerified ? length === told : length <= told)) return;
    throw new RegistryError('UNAVAILABLE', `the blob has not the ${told} bytes that were announced`);
  }

  #visible(): number {
    const { end, size } = this.#parts;
    return end.isVerified ? this.#length : Math.min(this.#length, (size.known ?? this.#length) - heldBack);
  }

  get #length(): number {
    return this.#parts.transfer.tape?.length ?? 0;
  }
}

/** Whoever asks again begins anew. */
function passedBy(message: string): RegistryError {
  return new RegistryError('UNAVAILABLE', message, { status: 503, headers: { 'Retry-After': '1' } });
}
