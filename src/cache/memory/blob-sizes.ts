import { LRUCache } from 'lru-cache';
import type { Descriptor } from '../../oci/descriptor.ts';
import { isOfNoBytes } from '../../oci/digest.ts';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';
import type { BlobInfo } from '../../oci/registry.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import type { Change } from '../../storage/operation.ts';
import type { Memory } from './memory.ts';

/** What a repository's manifests say that contradict each other: nothing. */
const contradicted = Symbol('contradicted');

/**
 * How many bytes blobs have. What a digest was verified for is a fact, for everybody. What a manifest says is a claim, of its
 * own repository alone, and outweighs nothing. Memory in front of the metadata store.
 */
export class BlobSizes implements Memory {
  readonly #metadata: MetadataStore;
  readonly #verified = new LRUCache<Digest, number>({ max: 10_000 });
  readonly #claims = new LRUCache<string, number | typeof contradicted>({ max: 10_000 });

  constructor(metadata: MetadataStore) {
    this.#metadata = metadata;
  }

  /** Undefined: it was never verified here, or by a version that did not record it. */
  async verified(digest: Digest): Promise<number | undefined> {
    const known = this.#verified.get(digest);
    if (known !== undefined) return known;
    const recorded = await this.#metadata.blobSize(digest);
    if (recorded !== undefined) this.#verified.set(digest, recorded);
    return recorded;
  }

  /** The digest was found right just now. Memory alone: the store is told with the blob's link. */
  settle(digest: Digest, size: number): void {
    this.#verified.set(digest, size);
  }

  /** A manifest of the repository says so. A client asks for its blobs before what it has just read is stored. */
  claim(repository: RepositoryName, blobs: readonly Descriptor[]): void {
    for (const { digest, size } of blobs) {
      const key = contentKey(repository, digest);
      const known = this.#claims.get(key) ?? size;
      this.#claims.set(key, known === size ? size : contradicted);
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
    const claims = new Set<unknown>(await this.#metadata.claimedSizes(repository, digest));
    const latest = this.#claims.get(contentKey(repository, digest));
    if (latest !== undefined) claims.add(latest);
    // Only the digest of no bytes has none: who claims it of another says nothing.
    if (!isOfNoBytes(digest)) claims.delete(0);
    const [claimed] = claims;
    return { digest, size: claims.size === 1 && typeof claimed === 'number' ? claimed : undefined };
  }
}
