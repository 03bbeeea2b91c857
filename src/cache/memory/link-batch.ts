import type { MetadataStore } from '../../storage/metadata-store.ts';
import type { Operation } from '../../storage/operation.ts';

/** So many are one change of the index. */
const maxOperations = 64;

interface Batch {
  readonly operations: Operation[];
  /** Those who are to be told that somebody else has the index locked. */
  readonly locked: (() => void)[];
  readonly written: Promise<void>;
}

/** What is linked or lost in one go, as blobs are that were stored together, is one change of the index, in the order in which it was said. */
export class LinkBatch {
  readonly #metadata: Pick<MetadataStore, 'change'>;
  #batch: Batch | undefined;

  constructor(metadata: Pick<MetadataStore, 'change'>) {
    this.#metadata = metadata;
  }

  /** Settles, and `locked` is called, as {@link MetadataStore.change} does it for all of them. */
  async add(operation: Operation, locked: () => void = () => {}): Promise<void> {
    if (this.#batch === undefined || this.#batch.operations.length >= maxOperations)
      this.#batch = this.#begun();
    const { operations, locked: told, written } = this.#batch;
    operations.push(operation);
    told.push(locked);
    await written;
  }

  #begun(): Batch {
    const operations: Operation[] = [];
    const locked: (() => void)[] = [];
    // Behind all whose promises have settled by now.
    const written = Promise.resolve().then(async () => {
      if (this.#batch?.operations === operations) this.#batch = undefined;
      await this.#metadata.change(operations, () => {
        for (const tell of locked) tell();
      });
    });
    return { operations, locked, written };
  }
}
