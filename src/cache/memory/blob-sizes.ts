import { LRUCache } from 'lru-cache';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isOfNoBytes } from '../../oci/digest.ts';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo } from '../../oci/registry.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import type { Change } from '../../storage/operation.ts';
import type { CheckedContent } from '../../storage/records.ts';
import { isSameStamp, type Stamp } from '../../storage/stamp.ts';
import type { Memory } from './memory.ts';

/** What manifests of a repository that memory has seen say of a blob; undefined: they contradict each other, and say nothing. */
interface Claimed {
  readonly size: number | undefined;
  /** Did none say anything before? */
  readonly isAll: boolean;
}

/**
 * How many bytes blobs have, and which files they were when that was verified. What a digest was verified for is a fact, for everybody. What a
 * manifest says is a claim, of its own repository alone, and outweighs nothing. Memory in front of the metadata store.
 */
export class BlobSizes implements Memory {
  readonly #metadata: MetadataStore;
  readonly #verified = new LRUCache<Digest, CheckedContent>({ max: 10_000 });
  readonly #claims = new LRUCache<string, Claimed>({ max: 10_000 });

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata;
  }

  /** Undefined: it was never verified here, or by a version that did not record it. */
  async verified(digest: Digest): Promise<number | undefined> {
    return (await this.checked(digest))?.size;
  }

  /** The same, with the file that it was, as far as that was noted. */
  async checked(digest: Digest): Promise<CheckedContent | undefined> {
    return this.#verified.get(digest) ?? (await this.checkedByNow(digest));
  }

  /** As the index says it: another process may have written the blob anew. */
  async checkedByNow(digest: Digest): Promise<CheckedContent | undefined> {
    const recorded = await this.#metadata.getChecked(digest);
    if (recorded !== undefined) this.#verified.set(digest, recorded);
    return recorded;
  }

  /** The digest was found right just now. Memory alone: who says so tells the store, where this was news (true). */
  settle(digest: Digest, size: number, stamp?: Stamp): boolean {
    const known = this.#verified.get(digest);
    const isSame = stamp !== undefined && known?.size === size && isSameStamp(stamp, known.stamp);
    if (!isSame) this.#verified.set(digest, { size, stamp, isHere: true });
    return !isSame;
  }

  /**
   * A manifest of the repository says so. A client asks for its blobs before what it has just read is stored. `unnamed`: those that no stored one
   * names, of which nothing has to be looked up.
   */
  claim(repository: RepositoryName, blobs: readonly Descriptor[], unnamed?: ReadonlySet<Digest>): void {
    for (const { digest, size } of blobs) {
      const key = contentKey(repository, digest);
      const known = this.#claims.get(key) ?? { size, isAll: unnamed?.has(digest) === true };
      this.#claims.set(key, known.size === size ? known : { ...known, size: undefined });
    }
  }

  /** A manifest that another process has removed claims nothing any more; what was verified stays true. */
  forget(change: Change): void {
    if (change.kind === 'manifest' && this.#claims.size > 0) this.#claims.clear();
  }

  forgetAll(): void {
    this.#claims.clear();
  }

  /** What to expect of the blob: the verified size, or what all manifests of the repository that name it agree on. */
  async expected(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    const size = await this.verified(digest);
    if (size !== undefined) return { digest, size, isVerified: true };
    const key = contentKey(repository, digest);
    const isAll = this.#claims.get(key)?.isAll === true;
    const claims = new Set<number | undefined>(
      isAll ? [] : await this.#metadata.claimedSizes(repository, digest),
    );
    const latest = this.#claims.get(key);
    if (latest !== undefined) claims.add(latest.size);
    // Only the digest of no bytes has none: who claims it of another says nothing.
    if (!isOfNoBytes(digest)) claims.delete(0);
    return { digest, size: claims.size === 1 ? [...claims][0] : undefined };
  }
}
