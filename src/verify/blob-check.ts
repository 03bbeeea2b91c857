import { DigestHasher } from '../oci/digest.ts';
import { type StoredBlob, WrongBytesError } from '../storage/content-store.ts';

/**
 * The hash of one stored file, taken once for all who read it at a time: of each byte by whoever comes first with it, so that nobody reads the file
 * for the hash alone who reads it anyway.
 */
export class BlobCheck {
  readonly blob: StoredBlob;
  /** Settles when all of it was hashed and is right; rejects with WrongBytesError. Never where nobody reads on. */
  readonly over: Promise<void>;
  readonly #over = Promise.withResolvers<void>();
  readonly #hasher: DigestHasher;
  readonly #ended: (isRight: boolean) => void;
  #state: 'running' | 'right' | 'wrong' = 'running';

  /** `ended` is told at once, before anybody else. */
  constructor(blob: StoredBlob, ended: (isRight: boolean) => void) {
    this.blob = blob;
    this.#hasher = new DigestHasher(blob.digest);
    this.#ended = ended;
    this.over = this.#over.promise;
    // Nobody may wait.
    this.over.catch(() => {});
  }

  get isRight(): boolean {
    return this.#state === 'right';
  }

  get isOver(): boolean {
    return this.#state !== 'running';
  }

  /** Before this byte all were hashed. */
  get front(): number {
    return this.#hasher.size;
  }

  /** Somebody has read these bytes of the file, from byte `at` on. Throws WrongBytesError as soon as that is known. */
  pass(at: number, chunk: Uint8Array): void {
    const known = this.front - at;
    if (!this.isOver && known >= 0 && known < chunk.length) this.#hash(chunk.subarray(known));
    if (this.#state === 'wrong') throw new WrongBytesError();
  }

  #hash(bytes: Uint8Array): void {
    this.#hasher.update(bytes);
    if (this.front < this.blob.size) return;
    this.#state = this.front === this.blob.size && this.#hasher.isRight ? 'right' : 'wrong';
    this.#ended(this.isRight);
    if (this.isRight) this.#over.resolve();
    else this.#over.reject(new WrongBytesError());
  }
}
