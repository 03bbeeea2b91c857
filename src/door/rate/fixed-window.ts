import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Allowance, Counter, RateLimitSettings } from './rate-limit.ts';

/** A stretch of time in which requests are counted together. */
export interface Window {
  /** Of all of this length since 1970. */
  readonly number: number;
  /** Until the next one. Milliseconds. */
  readonly leftMs: number;
}

/** The window of this moment, by the clock on the wall: the minute from :07 to :08 is everybody's. */
export function windowAt(now: number, per: number): Window {
  return { number: Math.floor(now / per), leftMs: per - (now % per) };
}

/** Of what has been counted in a window, this request too. */
export function allowanceIn(count: number, requests: number, leftMs: number): Allowance {
  return { isOver: count > requests, remaining: Math.max(0, requests - count), resetMs: leftMs };
}

/** So many clients are counted; of more those that asked longest ago begin anew. */
const maxClients = 50_000;

/** So many requests in each minute (or other window): at the turn of it twice as many may come at once. In this process. */
export class FixedWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #clock: Clock;
  readonly #counts = new LRUCache<string, { window: number; count: number }>({ max: maxClients });

  constructor(settings: Pick<RateLimitSettings, 'requests' | 'per'>, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  count(client: string): Allowance {
    const { requests, per } = this.#settings;
    const { number: window, leftMs } = windowAt(this.#clock.now(), per);
    const known = this.#counts.get(client);
    const counted = known?.window === window ? known : { window, count: 0 };
    if (counted !== known) this.#counts.set(client, counted);
    counted.count += 1;
    return allowanceIn(counted.count, requests, leftMs);
  }

  isOver(client: string): boolean {
    const { requests, per } = this.#settings;
    const known = this.#counts.peek(client);
    return known?.window === windowAt(this.#clock.now(), per).number && known.count >= requests;
  }
}
