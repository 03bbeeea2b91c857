import { LRUCache } from 'lru-cache';
import { algorithmOf, BlobHasher, DigestHasher, type VerifiedBlob } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { Spool } from '../storage/spool-store.ts';

/** So many uploads may wait for their next bytes without being read again in the end; a hash takes half a kilobyte. */
const maxWaiting = 10_000;

/** The running hashes of uploads, from one request to the next. What is not here, after a restart for one, is read again in the end. */
export class UploadHashes {
  readonly #waiting = new LRUCache<string, BlobHasher>({ max: maxWaiting });

  /** Of the first `size` bytes, if it is here; the caller's until he gives it back. */
  take(id: string, size: number): BlobHasher | undefined {
    const hasher = this.#waiting.get(id) ?? (size === 0 ? new BlobHasher() : undefined);
    this.#waiting.delete(id);
    return hasher?.size === size ? hasher : undefined;
  }

  giveBack(id: string, hasher: BlobHasher | undefined): void {
    if (hasher !== undefined) this.#waiting.set(id, hasher);
  }

  forget(id: string): void {
    this.#waiting.delete(id);
  }
}

/**
 * What a spool holds, as far as it is the digest's: by the hash that ran along, where it is of that kind and of all of it, else read once more. Undefined: it has
 * another digest.
 */
export async function verified(
  spool: Spool,
  digest: Digest,
  hasher: BlobHasher | undefined,
): Promise<VerifiedBlob | undefined> {
  const size = spool.ranges.endFrom(0);
  if (hasher?.size === size && algorithmOf(digest) === 'sha256') {
    const blob = hasher.verify();
    return blob.digest === digest ? blob : undefined;
  }
  const again = new DigestHasher(digest);
  if (size > 0) for await (const chunk of spool.read({ first: 0, last: size - 1 })) again.update(chunk);
  return again.isRight ? again.verify() : undefined;
}
