import type { MetadataStore } from '../../storage/metadata-store.ts';
import type { Operation } from '../../storage/operation.ts';

/** In one transaction (see MetadataStore.change). */
const maxOperations = 100;

export interface ChangeParts {
  readonly metadata: MetadataStore;
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

/** Changes of the index in their order, as many at a time as it takes. */
export class ChangeBatch {
  readonly #parts: ChangeParts;
  #operations: Operation[] = [];

  constructor(parts: ChangeParts) {
    this.#parts = parts;
  }

  async add(operation: Operation): Promise<void> {
    this.#operations.push(operation);
    if (this.#operations.length === maxOperations) await this.end();
  }

  /** Settles when all of them are done. */
  async end(): Promise<void> {
    const operations = this.#operations;
    this.#operations = [];
    if (operations.length === 0) return;
    await this.#parts.metadata.change(operations);
    this.#parts.changed(operations);
  }
}
