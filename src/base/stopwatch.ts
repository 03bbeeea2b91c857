import type { Clock } from './clock.ts';

/** Adds up how long something lasts that comes and goes. */
export class Stopwatch {
  readonly #clock: Clock;
  #milliseconds = 0;
  #since: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** So far. */
  get milliseconds(): number {
    return this.#milliseconds + (this.#since === undefined ? 0 : this.#clock.monotonic() - this.#since);
  }

  start(): void {
    this.#since ??= this.#clock.monotonic();
  }

  stop(): void {
    this.#milliseconds = this.milliseconds;
    this.#since = undefined;
  }
}
