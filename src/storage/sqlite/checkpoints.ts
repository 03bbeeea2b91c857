import { statSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { systemClock } from '../../base/clock.ts';
import { startThread } from '../../base/thread.ts';
import type { CheckpointStep } from './checkpoint-thread.ts';

/** When the log has grown by so much, it is brought into the file. Bytes: SQLite's own thousand pages. */
const longLog = 4 * 1024 * 1024;
/** After so many commits it is looked at, each of which may be of some megabytes. */
const commitsALook = 8;
/** Where that is not done, or not in time, SQLite does it by itself, when a change is committed. Pages. */
export const lastResortPages = 32 * 1024;
/** A thread without work gives its memory back. Milliseconds. */
const restMs = 30_000;
const limits = { maxOldGenerationSizeMb: 32, maxYoungGenerationSizeMb: 4 };

/**
 * Checkpoints of SQLite's log in a thread with a connection of its own: they wait for the disk, several times each, and SQLite would have whoever
 * commits do them. Made when it is first needed, and never what keeps the process alive.
 */
export class Checkpoints implements AsyncDisposable {
  readonly #path: string;
  readonly #hold: () => Disposable;
  #held: Disposable | undefined;
  #commits = 0;
  #thread: Worker | undefined;
  #isRunning = false;
  #isEnding = false;
  #rest: Disposable | undefined;
  /** How long the log may be before it is its turn. */
  #limit = longLog;

  /** `hold`: until what it gives is disposed of nothing is to be committed. */
  constructor(databasePath: string, hold: () => Disposable) {
    this.#path = databasePath;
    this.#hold = hold;
  }

  /** To be called after each commit. */
  committed(): void {
    this.#commits += 1;
    if (this.#commits % commitsALook !== 0 || this.#isRunning || this.#isEnding) return;
    this.#look(statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0);
  }

  #look(length: number): void {
    // It was begun anew.
    if (length < this.#limit - longLog) this.#limit = longLog;
    if (length < this.#limit) return;
    // One that cannot be brought in now, since somebody reads, is not tried all the time.
    this.#limit = length + longLog;
    this.#isRunning = true;
    this.#rest?.[Symbol.dispose]();
    this.#thread ??= this.#started();
    this.#ask('copy');
  }

  #ask(step: CheckpointStep): void {
    this.#thread?.postMessage(step);
  }

  /** Undefined: the system gives no thread. */
  #started(): Worker | undefined {
    try {
      const thread = startThread(import.meta, 'checkpoint-thread', { limits, data: this.#path });
      thread.unref();
      thread.on('message', (done: CheckpointStep) => this.#done(thread, done));
      thread.on('error', () => this.#drop(thread));
      thread.on('exit', () => this.#drop(thread));
      return thread;
    } catch {
      this.#isRunning = false;
      return undefined;
    }
  }

  #done(thread: Worker, step: CheckpointStep): void {
    if (this.#thread !== thread) return;
    if (step === 'copy') {
      // Whoever commits while the log begins anew waits for the disk.
      this.#held = this.#hold();
      this.#ask('begin');
    } else {
      this.#over();
      this.#rest = systemClock.after(restMs, () => void this.#end());
    }
  }

  #over(): void {
    this.#isRunning = false;
    this.#held?.[Symbol.dispose]();
    this.#held = undefined;
  }

  #drop(thread: Worker): void {
    if (this.#thread !== thread) return;
    this.#thread = undefined;
    this.#over();
  }

  async #end(): Promise<void> {
    const thread = this.#thread;
    this.#thread = undefined;
    this.#over();
    this.#rest?.[Symbol.dispose]();
    await thread?.terminate();
  }

  /** None runs when it settles. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnding = true;
    await this.#end();
  }
}
