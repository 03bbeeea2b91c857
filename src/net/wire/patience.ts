import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';

/** So long an upstream is remembered to be slow. Milliseconds. */
const memoryMs = 10 * 60_000;
/** Origins that are remembered; redirects may lead to many. */
const maxOrigins = 100;

/** Milliseconds. */
export interface PatienceSettings {
  readonly clock: Clock;
  /** With one that was never seen to be slow. */
  readonly leastMs: number;
  /** With any: well below what a try lasts, or the try would end with the connection that was forgotten. */
  readonly mostMs: number;
}

/**
 * What the silence of a connection that was used before means: a load balancer or a NAT may have forgotten it without a word, and
 * then no answer ever comes. But an upstream may also be slow, and each request that is sent again costs it the work, and us at
 * Docker Hub a pull: twice what it was seen to take is waited for. One for all connections of a registry; slow is an origin.
 * Times by {@link Clock.monotonic}.
 */
export class Patience {
  readonly #clock: Clock;
  readonly #leastMs: number;
  readonly #mostMs: number;
  readonly #slowest = new LRUCache<string, { readonly afterMs: number; readonly at: number }>({
    max: maxOrigins,
  });
  #heardBefore = Number.NEGATIVE_INFINITY;

  constructor({ clock, leastMs, mostMs }: PatienceSettings) {
    this.#clock = clock;
    this.#leastMs = Math.min(leastMs, mostMs);
    this.#mostMs = mostMs;
  }

  /** How long the first byte may take on a connection that was used before. */
  with(origin: string): number {
    return Math.min(this.#mostMs, this.#unboundedWith(origin));
  }

  /** An answer began so long after its request. */
  answered(origin: string, afterMs: number): void {
    if (2 * afterMs <= this.#unboundedWith(origin)) return;
    this.#slowest.set(origin, { afterMs, at: this.#clock.monotonic() });
  }

  /** A kept connection was given up on which nothing came since a request that was sent then. */
  gaveUp(sentAt: number): void {
    if (this.#clock.monotonic() - sentAt >= this.#leastMs) this.wasSilentSince(sentAt);
  }

  /** A kept connection has been silent since then: what it met may have met all that are as old. */
  wasSilentSince(at: number): void {
    this.#heardBefore = Math.max(this.#heardBefore, at);
  }

  /** May a connection be used whose last byte came then? */
  trusts(heardAt: number): boolean {
    return heardAt > this.#heardBefore;
  }

  #unboundedWith(origin: string): number {
    const slowest = this.#slowest.get(origin);
    if (slowest === undefined || this.#clock.monotonic() - slowest.at > memoryMs) return this.#leastMs;
    return Math.max(this.#leastMs, 2 * slowest.afterMs);
  }
}
