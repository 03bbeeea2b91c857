import type { Clock } from '../../base/clock.ts';

/** What comes within this time comes soon; so long it is tried before anybody knows how fast it is, and so long it may be silent. Milliseconds. */
export const soonMs = 500;
/** Before that no further ahead is waited for. Bytes. */
export const near = 1024 * 1024;

/** How fast bytes have come lately. */
export class Speed {
  readonly #clock: Clock;
  #last: number;
  #since: number;
  #bytes = 0;
  /** Bytes a millisecond, of the time before. */
  #rate: number | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#last = clock.monotonic();
    this.#since = this.#last;
  }

  brought(bytes: number): void {
    this.#last = this.#clock.monotonic();
    this.#bytes += bytes;
    const passed = this.#last - this.#since;
    if (passed < soonMs) return;
    this.#rate = this.#bytes / passed;
    this.#since = this.#last;
    this.#bytes = 0;
  }

  /** Bytes a millisecond; of one that has just begun the mean so far, and ever less of one that stands still. */
  get rate(): number {
    const passed = this.#clock.monotonic() - this.#since;
    if (this.#rate !== undefined && passed < soonMs) return this.#rate;
    return this.#bytes / Math.max(passed, 1);
  }

  /** Will so many bytes more have come soon? */
  bringsSoon(bytes: number): boolean {
    if (this.#clock.monotonic() - this.#last >= soonMs) return false;
    return this.#rate === undefined ? bytes <= near : bytes <= this.#rate * soonMs;
  }
}
