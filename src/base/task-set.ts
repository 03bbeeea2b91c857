import type { Log } from './log.ts';

/**
 * Work that nobody waits for, until the end: failures are logged, dispose waits for what still runs, and behind it nothing
 * is begun, as what that would need is closed. It has no bound of its own: whoever adds work sees to it that there is one (the backlog for what is stored).
 */
export class TaskSet implements AsyncDisposable {
  readonly #running = new Set<Promise<void>>();
  readonly #log: Log;
  #isOver = false;

  constructor(log: Log) {
    this.#log = log;
  }

  /** `what` names the work in the log line of a failure. */
  run(what: string, work: () => Promise<void>): void {
    if (this.#isOver) return;
    const task = work()
      .catch((error: unknown) => this.#log.error({ err: error }, `${what} failed`))
      .finally(() => this.#running.delete(task));
    this.#running.add(task);
  }

  /** Until nothing runs. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.idle();
    this.#isOver = true;
  }
}
