import { LRUCache } from 'lru-cache';
import { ownBytes } from '../../base/own-bytes.ts';
import type { Digest } from '../../oci/reference.ts';
import type { Change } from '../../storage/operation.ts';
import type { Memory } from './memory.ts';

/** What is larger is read of the store each time. Bytes. */
export const maxSmallBlob = 64 * 1024;

/** All together, unless it is said. Bytes. */
const usualBytes = 32 * 1024 * 1024;
/** What each takes besides its bytes. */
const perBlob = 512;

/**
 * Small blobs whose digest was found right: their bytes, those asked for last. It says nothing of whose they are, which is a question for
 * the links; what it has needs no file any more. Its bytes are nobody's to change.
 */
export class SmallBlobs implements Memory {
  readonly #blobs: LRUCache<Digest, Uint8Array>;
  readonly #changed: (digest: Digest) => void;

  /** `changed` is told where the file of one that is here has come or gone, and says whether it is {@link removed}. */
  constructor(maxBytes = usualBytes, changed: (digest: Digest) => void = () => {}) {
    this.#changed = changed;
    this.#blobs = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: ({ length }) => length + perBlob,
    });
  }

  get(digest: Digest): Uint8Array | undefined {
    return this.#blobs.get(digest);
  }

  /** They were hashed, and are what the digest says; nobody writes to them any more. What is not small is not kept. */
  put(digest: Digest, bytes: Uint8Array): void {
    if (bytes.length <= maxSmallBlob && !this.#blobs.has(digest)) this.#blobs.set(digest, ownBytes(bytes));
  }

  /** As {@link get}, by who does not ask for it. */
  peek(digest: Digest): Uint8Array | undefined {
    return this.#blobs.peek(digest);
  }

  /** Its bytes are right whatever becomes of its file, and may be the last. */
  forget(change: Change): void {
    if (change.kind === 'blob' && this.#blobs.has(change.digest)) this.#changed(change.digest);
  }

  /** No image has it any more. */
  removed(digest: Digest): void {
    this.#blobs.delete(digest);
  }

  forgetAll(): void {
    this.#blobs.clear();
  }
}
