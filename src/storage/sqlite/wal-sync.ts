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

  constructor(databasePath: string) {
    this.#path = `${databasePath}-wal`;
  }

  /** To be called after each commit. */
  soon(): void {
    this.#timer ??= setTimeout(() => this.#start(), delayMs).unref();
  }

  #start(): void {
    this.#timer = undefined;
    this.#running = this.#running.then(async () => await sync(this.#path));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearTimeout(this.#timer);
    await this.#running;
  }
}

/** A log that is gone was checkpointed, and that syncs. */
async function sync(path: string): Promise<void> {
  try {
    await using file = await open(path, 'r+');
    await file.datasync();
  } catch {
    // The next commit tries again.
  }
}
