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

  constructor(maxBytes = usualBytes) {
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

  forget(change: Change): void {
    if (change.kind === 'blob') this.#blobs.delete(change.digest);
  }

  forgetAll(): void {
    this.#blobs.clear();
  }
}
