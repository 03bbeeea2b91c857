import { LRUCache } from 'lru-cache';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';

/**
 * Why a digest that upstream announces for a tag cannot be relied on: its manifest is not to be had, or the tag's bytes had
 * another (`wrong`); or it was not given when it was last asked for, which may be the registry's limit or an outage (`unfetched`).
 */
export type Doubt = 'wrong' | 'unfetched';

/** Announced digests that were not to be had, until they are. */
export class DoubtedDigests {
  readonly #doubts: LRUCache<string, Doubt>;

  constructor(max = 10_000) {
    this.#doubts = new LRUCache({ max });
  }

  of(repository: RepositoryName, digest: Digest): Doubt | undefined {
    return this.#doubts.get(contentKey(repository, digest));
  }

  /** An outage does not clear what was found wrong. */
  add(repository: RepositoryName, digest: Digest, doubt: Doubt): void {
    if (this.of(repository, digest) !== 'wrong') this.#doubts.set(contentKey(repository, digest), doubt);
  }

  /** Its manifest has come. */
  clear(repository: RepositoryName, digest: Digest): void {
    this.#doubts.delete(contentKey(repository, digest));
  }
}
