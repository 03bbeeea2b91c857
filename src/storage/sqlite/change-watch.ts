import { setImmediate } from 'node:timers/promises';
import type { Changes } from '../operation.ts';
import type { ChangeLog } from './change-log.ts';

/** Whether others have changed something is asked so often. Milliseconds. */
const watchMs = 300;

/** Tells of what other processes change, some at a time, from the first listener on. */
export class ChangeWatch implements Disposable {
  readonly #log: ChangeLog;
  /** The first is told first. */
  readonly #listeners: Set<(changes: Changes) => void>;
  #timer: NodeJS.Timeout | undefined;
  #isTelling = false;

  constructor(log: ChangeLog, first: (changes: Changes) => void) {
    this.#log = log;
    this.#listeners = new Set([first]);
  }

  get isWatching(): boolean {
    return this.#timer !== undefined;
  }

  add(listener: (changes: Changes) => void): Disposable {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => void this.#tell(), watchMs).unref();
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #tell(): Promise<void> {
    if (this.#isTelling) return;
    this.#isTelling = true;
    try {
      while (this.#tellSome()) await setImmediate();
    } finally {
      this.#isTelling = false;
    }
  }

  /** Is there more? */
  #tellSome(): boolean {
    const changes = this.#news();
    if (changes === undefined) return false;
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
    return this.#log.isBehind && this.isWatching;
  }

  /** Undefined: what cannot be read now (a lock, a disk) is read the next time, nothing of it is lost. */
  #news(): Changes | undefined {
    try {
      return this.#log.news();
    } catch {
      return undefined;
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
