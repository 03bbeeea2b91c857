import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';

/** A timer for less than this is not worth it; milliseconds. */
const minSleepMs = 10;

/**
 * So many bytes a second, for all who share it: a token bucket that holds one second's worth. Who asks first is served first, so
 * that downloads which take a slice each come in turn.
 */
export class Bandwidth {
  /** The most to take at a time: a tenth of a second's worth. */
  readonly slice: number;
  readonly #bytesPerSecond: number;
  readonly clock: Clock;
  #level: number;
  #filledAt: number;
  #last: Promise<void> = Promise.resolve();

  constructor(bytesPerSecond: number, clock: Clock) {
    this.#bytesPerSecond = bytesPerSecond;
    this.clock = clock;
    this.slice = Math.max(1, Math.floor(bytesPerSecond / 10));
    this.#level = bytesPerSecond;
    this.#filledAt = clock.monotonic();
  }

  /** Settles when so many bytes may pass; rejects with the signal's reason, and then takes nothing. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    const turn = this.#last.then(async () => await this.#wait(bytes, signal));
    this.#last = turn.catch(() => undefined);
    await abortable(turn, signal);
  }

  async #wait(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#fill();
    const waitMs = Math.ceil(((bytes - this.#level) / this.#bytesPerSecond) * 1000);
    if (waitMs > 0) {
      await this.clock.sleep(Math.max(waitMs, minSleepMs), signal);
      this.#fill();
    }
    // Below zero where the timer was early: the next one waits for that too.
    this.#level -= bytes;
  }

  /** A clock that was set back fills nothing. */
  #fill(): void {
    const now = this.clock.monotonic();
    const added = (Math.max(0, now - this.#filledAt) / 1000) * this.#bytesPerSecond;
    this.#level = Math.min(this.#bytesPerSecond, this.#level + added);
    this.#filledAt = now;
  }
}
