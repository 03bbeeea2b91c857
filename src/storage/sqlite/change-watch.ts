import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { Changes } from '../operation.ts';
import type { ChangeLog } from './change-log.ts';

/** Whether others have changed something is asked so often. Milliseconds. */
const watchMs = 300;

/** Tells of what other processes change, some at a time, from the first listener on. */
export class ChangeWatch implements Disposable {
  readonly #log: ChangeLog;
  readonly #clock: Clock | undefined;
  /** The first is told first. */
  readonly #listeners: Set<(changes: Changes) => void>;
  #isWatching = false;
  #next: Disposable | undefined;

  /** `clock` undefined: there can be no other process. */
  constructor(log: ChangeLog, clock: Clock | undefined, first: (changes: Changes) => void) {
    this.#log = log;
    this.#clock = clock;
    this.#listeners = new Set([first]);
  }

  get isWatching(): boolean {
    return this.#isWatching;
  }

  add(listener: (changes: Changes) => void): Disposable {
    this.#listeners.add(listener);
    if (!this.#isWatching) {
      this.#isWatching = true;
      this.#lookLater();
    }
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  #lookLater(): void {
    this.#next = this.#clock?.after(watchMs, () => void this.#look());
  }

  /** Whatever a listener throws, it is looked again. */
  async #look(): Promise<void> {
    try {
      while (this.#tellSome()) await setImmediate();
    } finally {
      if (this.#isWatching) this.#lookLater();
    }
  }

  /** Is there more? */
  #tellSome(): boolean {
    const changes = this.#news();
    if (changes === undefined) return false;
    if (changes.length > 0) for (const listener of this.#listeners) listener(changes);
    return this.#log.isBehind && this.#isWatching;
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
    this.#isWatching = false;
    this.#next?.[Symbol.dispose]();
  }
}
