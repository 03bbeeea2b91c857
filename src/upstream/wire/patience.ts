import type { Clock } from '../../clock.ts';

/** So long an upstream is remembered to be slow. Milliseconds. */
const memoryMs = 10 * 60_000;

/**
 * What the silence of a connection that was used before means: a load balancer or a NAT may have forgotten it without a word, and
 * then no answer ever comes. But an upstream may also be slow, and each request that is sent again costs it the work, and us at
 * Docker Hub a pull: twice what it was seen to take is waited for. One for all connections of a registry.
 * Times by {@link Clock.monotonic}.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #leastMs: number;
  #slowestMs = 0;
  #slowestAt = Number.NEGATIVE_INFINITY;
  #heardBefore = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock, leastMs: number) {
    this.#clock = clock;
    this.#leastMs = leastMs;
  }

  /** How long the first byte may take on a connection that was used before. */
  get milliseconds(): number {
    if (this.#clock.monotonic() - this.#slowestAt > memoryMs) return this.#leastMs;
    return Math.max(this.#leastMs, 2 * this.#slowestMs);
  }

  /** An answer began so long after its request. */
  answered(afterMs: number): void {
    if (2 * afterMs <= this.milliseconds) return;
    this.#slowestMs = afterMs;
    this.#slowestAt = this.#clock.monotonic();
  }

  /** A kept connection was given up that has been silent since then: what it met may have met all that are as old. */
  wasSilentSince(at: number): void {
    this.#heardBefore = Math.max(this.#heardBefore, at);
  }

  /** May a connection be used whose last byte came then? */
  trusts(heardAt: number): boolean {
    return heardAt > this.#heardBefore;
  }
}
