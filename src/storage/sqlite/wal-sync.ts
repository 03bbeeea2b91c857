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
  #isEnding = false;

  constructor(databasePath: string) {
    this.#path = `${databasePath}-wal`;
  }

  /** To be called after each commit. */
  soon(): void {
    this.#timer ??= setTimeout(() => this.#start(), delayMs).unref();
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#running.then(async () => await this.#sync());
  }

  async #sync(): Promise<void> {
    try {
      await using file = await open(this.#path, 'r+');
      await file.datasync();
    } catch {
      // No file can be opened now, perhaps: nobody may come to commit again.
      if (!this.#isEnding) this.soon();
    }
  }

  /** Syncs what is left: closing the database does so only if no other process has it open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    if (this.#timer !== undefined) this.#start();
    await this.#running;
  }
}
