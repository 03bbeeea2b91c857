import { DigestHasher, type VerifiedBlob } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { FillTape } from './fill-tape.ts';

/**
 * The hash of a blob whose bytes come in any order: it follows those that are here without a gap from the first on. Bytes in order are
 * hashed as they pass; what came ahead is read back when the rest has reached it, so that nobody waits for a second pass over 20 GB.
 */
export class FillFront {
  readonly #tape: Pick<FillTape, 'here' | 'read' | 'wake' | 'isStored'>;
  readonly #hasher: DigestHasher;
  #readingBack: Promise<void> | undefined;

  constructor(digest: Digest, tape: Pick<FillTape, 'here' | 'read' | 'wake' | 'isStored'>) {
    this.#tape = tape;
    this.#hasher = new DigestHasher(digest);
  }

  /** Bytes hashed so far. */
  get size(): number {
    return this.#hasher.size;
  }

  /** Are they all of it? */
  get isRight(): boolean {
    return this.#hasher.isRight;
  }

  /** The hash of the first `size` bytes; undefined where it is another's by now, or not reached yet. */
  sum(size: number): string | undefined {
    return this.#hasher.size === size ? this.#hasher.sum() : undefined;
  }

  /**
   * To be told of each chunk before it is on the tape, as it may be given away then. While what came ahead is read back that has these
   * bytes too: where nothing is stored they come once more.
   */
  passes(at: number, chunk: Uint8Array): void {
    if (this.#readingBack === undefined && at === this.#hasher.size) this.#hasher.update(chunk);
  }

  /** To be told when something is on the tape: goes on with what came ahead, if it has reached that. */
  follow(): void {
    if (this.#readingBack !== undefined || this.#isLevel) return;
    this.#readingBack = this.#readBack().finally(() => (this.#readingBack = undefined));
    this.#readingBack.catch(() => {});
  }

  /** When all is on the tape. Throws a {@link Fault} where the bytes are not the digest's, and what reading them has thrown. */
  async verify(): Promise<VerifiedBlob> {
    while (!this.#isLevel) {
      this.follow();
      await this.#readingBack;
    }
    return this.#hasher.verify();
  }

  get #isLevel(): boolean {
    return this.#tape.here.endFrom(this.#hasher.size) === this.#hasher.size;
  }

  async #readBack(): Promise<void> {
    while (!this.#isLevel) {
      const first = this.#hasher.size;
      const last = this.#tape.here.endFrom(first) - 1;
      for await (const chunk of this.#tape.read({ first, last })) {
        this.#hasher.update(chunk);
        // Memory alone waits for us, too.
        if (!this.#tape.isStored) this.#tape.wake();
      }
      if (this.#hasher.size === first) throw new Error('what has come of the blob can no longer be read');
    }
  }
}
