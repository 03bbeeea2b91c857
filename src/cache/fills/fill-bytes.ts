import { RegistryError } from '../../oci/error.ts';
import type { BlobTransfer } from './blob-transfer.ts';
import type { FillFollowers, Follower } from './fill-followers.ts';
import type { FillSize } from './fill-size.ts';
import type { FillTape } from './fill-tape.ts';
import type { RangeRequests } from './range-requests.ts';

/** So many bytes at the end stay back until the digest is known to be right. */
const heldBack = 64 * 1024;

/** How a fill has ended, if it has. */
export interface FillEnd {
  readonly isVerified: boolean;
  readonly failed: boolean;
  readonly failure: unknown;
}

export interface FillBytesParts {
  readonly end: FillEnd;
  readonly tape: FillTape;
  readonly transfer: Pick<BlobTransfer, 'isRefuted' | 'refutation'>;
  readonly ahead: Pick<RangeRequests, 'want'>;
  readonly size: Pick<FillSize, 'known'>;
  readonly followers: Pick<FillFollowers, 'has'>;
}

/**
 * What a fill's readers may have of its bytes, each at its own pace, as they come. Whoever reads the whole blob has its last bytes when
 * they are known to be right; a part is upstream's word, for whoever asks for parts checks them or the whole himself (containerd, lazy
 * pullers), and small blobs are held back whole.
 */
export class FillBytes {
  readonly #parts: FillBytesParts;

  constructor(parts: FillBytesParts) {
    this.#parts = parts;
  }

  /**
   * From where the follower is to where it wants. `told`: the size that its reader was told. Throws why the fill has failed, or passed it
   * by.
   */
  async *follow(follower: Follower, told: number | undefined): AsyncGenerator<Uint8Array> {
    const { end, ahead } = this.#parts;
    const isPart = this.#isPart(follower);
    while (follower.at < follower.until) {
      const to = Math.min(this.#visible(follower.at, isPart), follower.until);
      this.#checkGoesOn(follower);
      this.#checkSize(told);
      if (follower.at < to) yield* this.#advance(follower, to - 1);
      else if (end.isVerified) return;
      else if (end.failed) throw end.failure;
      else {
        ahead.want(follower);
        await new Promise<void>((resolve) => (follower.wake = resolve));
      }
    }
  }

  async *#advance(follower: Follower, last: number): AsyncGenerator<Uint8Array> {
    const { tape } = this.#parts;
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
    const { size, tape } = this.#parts;
    if (told === undefined) return;
    const { known } = size;
    if (known === undefined ? tape.here.endFrom(0) <= told : known === told) return;
    throw new RegistryError('UNAVAILABLE', `the blob has not the ${told} bytes that were announced`);
  }

  #isPart({ at, until }: Follower): boolean {
    const { known } = this.#parts.size;
    return known !== undefined && known > heldBack && (at > 0 || until < known);
  }

  /** Before which byte the bytes from here on may be seen. */
  #visible(at: number, isPart: boolean): number {
    const { end, size, tape } = this.#parts;
    const here = tape.here.endFrom(at);
    return isPart || end.isVerified ? here : Math.min(here, (size.known ?? here) - heldBack);
  }
}

/** Whoever asks again begins anew. */
function passedBy(message: string): RegistryError {
  return new RegistryError('UNAVAILABLE', message, { status: 503, headers: { 'Retry-After': '1' } });
}
