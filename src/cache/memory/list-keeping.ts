import type { TaskSet } from '../../base/task-set.ts';

/** Characters of all lists that are being stored, unless it is said. */
const usualChars = 32 * 1024 * 1024;

/**
 * Lists of upstream on their way to the store, where they are kept for an outage. Nobody waits for that, and a disk may be slow: what
 * there is no room for is not stored, and what an outage finds is older.
 */
export class ListKeeping {
  readonly #tasks: TaskSet;
  readonly #maxChars: number;
  #chars = 0;

  constructor(tasks: TaskSet, maxChars = usualChars) {
    this.#tasks = tasks;
    this.#maxChars = maxChars;
  }

  /** One is always stored. */
  keep(chars: number, store: () => Promise<void>): void {
    if (this.#chars > 0 && this.#chars + chars > this.#maxChars) return;
    this.#chars += chars;
    this.#tasks.run('storing a list', async () => await store().finally(() => (this.#chars -= chars)));
  }
}
