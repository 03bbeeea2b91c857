import { setTimeout as sleepFor } from 'node:timers/promises';

/** Time as a dependency, so that no test sleeps. */
export interface Clock {
  /** Milliseconds since the epoch: for what is kept or told to others. It jumps when somebody sets the clock. */
  now(): number;
  /** Milliseconds since some moment of this process, which never goes back: for all that measures how long. */
  monotonic(): number;
  /** Rejects with the signal's reason when it is aborted first. Never keeps the process alive by itself. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
  /** Calls back once, unless it is disposed of first; for what is mostly not waited for to its end. As to the process like `sleep`. */
  after(milliseconds: number, callback: () => void): Disposable;
}

export const systemClock: Clock = {
  now: Date.now,
  monotonic: () => performance.now(),
  async sleep(milliseconds, signal) {
    await sleepFor(milliseconds, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
  },
  after(milliseconds, callback) {
    return setTimeout(callback, milliseconds).unref();
  },
};
