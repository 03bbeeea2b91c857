import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest, RepositoryName } from '../../oci/reference.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { leaveContent, type Operation } from '../../storage/operation.ts';

/** In one transaction (see MetadataStore.change), with the one that says what may be left. */
const maxOperations = 99;

export interface ChangeParts {
  readonly metadata: MetadataStore;
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

/**
 * Changes of the index about one repository in their order, as many at a time as it takes. What is linked in another transaction than the manifest that names it is
 * said to be leaving, for that may never come.
 */
export class ChangeBatch {
  readonly #repository: RepositoryName;
  readonly #parts: ChangeParts;
  #operations: Operation[] = [];
  #unnamed: Digest[] = [];

  constructor(repository: RepositoryName, parts: ChangeParts) {
    this.#repository = repository;
    this.#parts = parts;
  }

  async add(operation: Operation): Promise<void> {
    this.#operations.push(operation);
    if (operation.kind === 'link blob') this.#unnamed.push(operation.digest);
    if (operation.kind === 'put manifest') this.#name(operation.manifest.blobs);
    if (this.#operations.length === maxOperations) await this.end();
  }

  #name(blobs: readonly Pick<Descriptor, 'digest'>[]): void {
    const named = new Set(blobs.map(({ digest }) => digest));
    this.#unnamed = this.#unnamed.filter((digest) => !named.has(digest));
  }

  /** Settles when all of them are done. */
  async end(): Promise<void> {
    const left = this.#unnamed.length === 0 ? [] : [leaveContent(this.#repository, this.#unnamed)];
    const operations = [...this.#operations, ...left];
    [this.#operations, this.#unnamed] = [[], []];
    if (operations.length === 0) return;
    await this.#parts.metadata.change(operations);
    this.#parts.changed(operations);
  }
}
