import type { RepositoryName } from '../../oci/reference.ts';
import type { StoredBlob } from '../../storage/content-store.ts';

/** Links a blob that came into the store to a repository that owns it. `isHere`: it came just now; else it may be gone by now. */
export type LinkOwner = (repository: RepositoryName, blob: StoredBlob, isHere: boolean) => Promise<void>;

/**
 * The repositories for which upstream itself has shown that they own the blob of a fill, and what their manifests say of its size. Each is linked
 * to it once it is in the store, also who comes later.
 */
export class FillOwners {
  readonly #claims = new Map<RepositoryName, number | undefined>();
  readonly #link: LinkOwner;
  #stored: StoredBlob | undefined;

  constructor(first: RepositoryName, claimed: number | undefined, link: LinkOwner) {
    this.#claims.set(first, claimed);
    this.#link = link;
  }

  has(repository: RepositoryName): boolean {
    return this.#claims.has(repository);
  }

  claimOf(repository: RepositoryName): number | undefined {
    return this.#claims.get(repository);
  }

  async add(repository: RepositoryName, claimed: number | undefined): Promise<void> {
    if (this.has(repository)) return;
    this.#claims.set(repository, claimed);
    if (this.#stored !== undefined) await this.#link(repository, this.#stored, false);
  }

  /** It is in the store. */
  async link(blob: StoredBlob): Promise<void> {
    this.#stored = blob;
    await Promise.all([...this.#claims.keys()].map(async (owner) => await this.#link(owner, blob, true)));
  }
}
