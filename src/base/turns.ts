import { setImmediate } from 'node:timers/promises';
import type { Clock } from './clock.ts';

/**
 * Work at a stretch holds up everybody else: no longer than this. One request has several turns of the event loop (it comes, a file is opened, is read), and a pull several
 * requests: at 5 a walk over the index would hold up a pull of four by tens of milliseconds. Milliseconds.
 */
export const turnMs = 2;

/** Measures long work that is made of small steps: behind a step with which its turn is over others have theirs. */
export class Turns {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #longMs: number;
  #endsAt: number;

  /** `longMs`: how long a turn is. */
  constructor(clock: Pick<Clock, 'monotonic'>, longMs = turnMs) {
    this.#clock = clock;
    this.#longMs = longMs;
    this.#endsAt = clock.monotonic() + longMs;
  }

  get isOver(): boolean {
    return this.#clock.monotonic() >= this.#endsAt;
  }

  /** Settles with the next turn. What was seen before it may have changed. */
  async pass(): Promise<void> {
    await setImmediate();
    this.#endsAt = this.#clock.monotonic() + this.#longMs;
  }
}
