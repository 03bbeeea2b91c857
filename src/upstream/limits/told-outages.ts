import type { Clock } from '../../base/clock.ts';
import type { Breaker } from './breaker.ts';

/** Milliseconds. */
const quietMs = 60_000;

/** Which outages are told as errors: of one that comes and goes one a minute, with its end, and what then lasts when that minute is over. */
export class ToldOutages {
  readonly #clock: Clock;
  readonly #told = new WeakMap<Breaker, { at: number; isOver: boolean }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begins(host: Breaker): 'error' | 'warn' {
    const now = this.#clock.monotonic();
    const last = this.#told.get(host);
    if (last !== undefined && now < last.at + quietMs) return 'warn';
    this.#told.set(host, { at: now, isOver: false });
    return 'error';
  }

  /** It goes on: has the time come to tell of it as an error, since none does? */
  isOwed(host: Breaker): boolean {
    const last = this.#told.get(host);
    return host.isOpen && last?.isOver === true && this.#clock.monotonic() >= last.at + quietMs;
  }

  ends(host: Breaker): 'error' | 'warn' {
    const last = this.#told.get(host);
    if (last === undefined || last.isOver) return 'warn';
    last.isOver = true;
    return 'error';
  }
}
