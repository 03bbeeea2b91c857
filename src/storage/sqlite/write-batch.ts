import type { Database } from 'better-sqlite3';

/** A longer transaction would hold up the event loop. */
const maxWrites = 128;

interface Write {
  /** Runs in a transaction of its own inside the batch's, and notes how that went. */
  readonly run: () => void;
  /** Tells whoever waits: how its own part went, or why nothing was committed. */
  readonly settle: (error?: unknown) => void;
}

/**
 * Group commit: what is written in one turn of the event loop is one transaction. What fails of it for its own reason (a tag
 * without its manifest) takes nothing else along; what fails for the file's (no room, a lock) fails all.
 */
export class WriteBatch implements AsyncDisposable {
  readonly #database: Database;
  readonly #committed: () => void;
  #writes: Write[] = [];
  #flush: NodeJS.Immediate | undefined;

  /** `committed` is called after each commit. */
  constructor(database: Database, committed: () => void) {
    this.#database = database;
    this.#committed = committed;
  }

  /** Writes are done in the order of their calls. Rejects with what the work throws, or SQLite when it commits. */
  async add<Result>(work: () => Result): Promise<Result> {
    const done = Promise.withResolvers<Result>();
    let settle = (): void => {};
    this.#writes.push({
      run: () => {
        try {
          const result = this.#database.transaction(work)();
          settle = () => done.resolve(result);
        } catch (error) {
          // SQLite has ended the whole transaction by itself.
          if (!this.#database.inTransaction) throw error;
          settle = () => done.reject(error);
        }
      },
      settle: (error) => (error === undefined ? settle() : done.reject(error)),
    });
    this.#flush ??= setImmediate(() => this.#commit());
    return await done.promise;
  }

  #commit(): void {
    this.#flush = undefined;
    const batch = this.#writes.splice(0, maxWrites);
    if (this.#writes.length > 0) this.#flush = setImmediate(() => this.#commit());
    try {
      this.#database
        .transaction(() => {
          for (const { run } of batch) run();
        })
        .immediate();
      this.#committed();
      for (const { settle } of batch) settle();
    } catch (error) {
      for (const { settle } of batch) settle(error);
    }
  }

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearImmediate(this.#flush);
    while (this.#writes.length > 0) this.#commit();
    clearImmediate(this.#flush);
  }
}
