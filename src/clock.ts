import { setTimeout as sleepFor } from 'node:timers/promises';

/** Time as a dependency, so that no test sleeps. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Rejects with the signal's reason when it is aborted first. Never keeps the process alive by itself. */
  sleep(milliseconds: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: Date.now,
  async sleep(milliseconds, signal) {
    await sleepFor(milliseconds, undefined, { ref: false, ...(signal === undefined ? {} : { signal }) });
  },
};
