import type { Clock } from '../base/clock.ts';

/** Shorter pauses are put off until they are worth it. Milliseconds. */
const leastPauseMs = 20;
/** What was not used is not made up for beyond that: nobody reads much at once because he had to wait before. Milliseconds. */
const mostBehindMs = 1000;

/** Keeps work to so many bytes a second. */
export class ByteRate {
  readonly #clock: Clock;
  readonly #perSecond: number;
  /** When what was done by now may have been done. */
  #dueAt: number;

  /** 0: no limit. */
  constructor(clock: Clock, perSecond: number) {
    this.#clock = clock;
    this.#perSecond = perSecond;
    this.#dueAt = clock.monotonic();
  }

  /** So many were done: settles when more may be. Rejects with the signal's reason. */
  async did(bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#perSecond === 0) return;
    const now = this.#clock.monotonic();
    this.#dueAt = Math.max(this.#dueAt, now - mostBehindMs) + (bytes / this.#perSecond) * 1000;
    if (this.#dueAt - now >= leastPauseMs) await this.#clock.sleep(this.#dueAt - now, signal);
  }
}
