import { LRUCache } from 'lru-cache';
import type { Log } from '../log.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';

/**
 * Which repositories may serve which stored blobs: memory in front of the metadata store. What the store cannot take, since
 * the disk is full, holds until the process ends: no client pays for it.
 */
export class BlobLinks {
  readonly #metadata: MetadataStore;
  readonly #log: Log;
  readonly #known = new LRUCache<string, boolean>({ max: 50_000 });

  constructor(metadata: MetadataStore, log: Log) {
    this.#metadata = metadata;
    this.#log = log;
  }

  async has(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const key = keyOf(repository, digest);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const linked = await this.#metadata.hasBlob(repository, digest);
    if (linked) this.#known.set(key, true);
    return linked;
  }

  /** Upstream has just shown that the repository owns the blob. */
  async add(repository: RepositoryName, digest: Digest): Promise<void> {
    this.#known.set(keyOf(repository, digest), true);
    await this.#write(digest, async () => await this.#metadata.linkBlob(repository, digest));
  }

  /** The blob's bytes are gone from the store, whoever removed them. */
  async forget(repository: RepositoryName, digest: Digest): Promise<void> {
    for (const key of [...this.#known.keys()]) if (key.endsWith(digest)) this.#known.set(key, false);
    this.#known.set(keyOf(repository, digest), false);
    await this.#write(digest, async () => await this.#metadata.unlinkBlob(digest));
  }

  async #write(digest: Digest, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#log.error({ err: error, digest }, 'the index could not be written');
    }
  }
}

function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`;
}
