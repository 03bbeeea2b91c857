import type { Digest, RepositoryName } from '../../oci/reference.ts';

/** Of which repositories memory has a manifest: mostly of one, which costs no set. */
export class HeldDigests {
  readonly #all = new Map<Digest, RepositoryName | Set<RepositoryName>>();

  add(repository: RepositoryName, digest: Digest): void {
    const known = this.#all.get(digest);
    if (known === undefined) this.#all.set(digest, repository);
    else if (typeof known !== 'string') known.add(repository);
    else if (known !== repository) this.#all.set(digest, new Set([known, repository]));
  }

  delete(repository: RepositoryName, digest: Digest): void {
    const known = this.#all.get(digest);
    if (known === repository) this.#all.delete(digest);
    else if (typeof known === 'object' && known.delete(repository) && known.size === 0)
      this.#all.delete(digest);
  }

  has(digest: Digest): boolean {
    return this.#all.has(digest);
  }

  of(digest: Digest): readonly RepositoryName[] {
    const known = this.#all.get(digest) ?? [];
    return typeof known === 'string' ? [known] : [...known];
  }
}
