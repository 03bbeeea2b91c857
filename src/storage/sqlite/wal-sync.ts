import { open } from 'node:fs/promises';

/** What was committed is on the disk so long after, at the latest. */
const delayMs = 400;

/**
 * Makes commits survive a power cut without anyone waiting: in WAL mode with `synchronous = NORMAL` SQLite itself leaves
 * that to the next checkpoint. Syncing the log's file from outside, in the thread pool, is enough: its frames carry checksums.
 */
export class WalSync implements AsyncDisposable {
  readonly #path: string;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();
  /** It has not begun, and what is committed by then is in it. */
  #next: Promise<void> | undefined;
  #isEnding = false;

  constructor(databasePath: string) {
    this.#path = `${databasePath}-wal`;
  }

  /** To be called after each commit. */
  soon(): void {
    this.#timer ??= setTimeout(() => this.#start(), delayMs).unref();
  }

  /** Settles when what was committed by now is on the disk: one sync for all who wait. Rejects where that cannot be. */
  async atOnce(): Promise<void> {
    await this.#begin();
  }

  #start(): void {
    // No file can be opened now, perhaps: nobody may come to commit again.
    this.#begin().catch(() => {
      if (!this.#isEnding) this.soon();
    });
  }

  /** Behind the one that runs, which may have begun too early. */
  #begin(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#next ??= this.#after(this.#running);
    this.#running = this.#next.catch(() => undefined);
    return this.#next;
  }

  async #after(running: Promise<void>): Promise<void> {
    await running;
    this.#next = undefined;
    await using file = await open(this.#path, 'r+');
    await file.datasync();
  }

  /** Syncs what is left: closing the database does so only if no other process has it open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    if (this.#timer !== undefined) this.#start();
    await this.#running;
  }
}
