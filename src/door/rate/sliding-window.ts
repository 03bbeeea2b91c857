import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Allowance, Counter, RateLimitSettings } from './rate-limit.ts';

/**
 * A window is counted in so many parts. The part that is half out of it counts as in it, so that no stretch of its length has more requests than the limit; who
 * asks as fast as he may has a sixtieth less.
 */
export const windowParts = 60;
/** So many clients are counted; of more those that asked longest ago begin anew. */
const maxClients = 20_000;

/** The requests of one client that were let through, by the part of time in which they came. */
class Counts {
  readonly #parts = new Map<number, number>();
  #sum = 0;

  /** What came before this part is out of the window. */
  forgetBefore(part: number): void {
    for (const [at, count] of this.#parts) {
      if (at >= part) return;
      this.#parts.delete(at);
      this.#sum -= count;
    }
  }

  get sum(): number {
    return this.#sum;
  }

  /** The first part that has any. */
  get first(): number | undefined {
    return this.#parts.keys().next().value;
  }

  add(part: number): void {
    this.#parts.set(part, (this.#parts.get(part) ?? 0) + 1);
    this.#sum += 1;
  }
}

/** So many requests in any stretch of time of this length, wherever it begins. What was refused is not counted. In this process. */
export class SlidingWindow implements Counter {
  readonly #settings: Pick<RateLimitSettings, 'requests' | 'per'>;
  readonly #clock: Clock;
  readonly #clients = new LRUCache<string, Counts>({ max: maxClients });

  constructor(settings: Pick<RateLimitSettings, 'requests' | 'per'>, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
  }

  count(client: string): Allowance {
    const { requests } = this.#settings;
    const { now, part, partMs } = this.#moment();
    const counts = this.#countsOf(client);
    counts.forgetBefore(part - windowParts);
    const isOver = counts.sum >= requests;
    if (!isOver) counts.add(part);
    const leavesAt = ((counts.first ?? part) + windowParts + 1) * partMs;
    return { isOver, remaining: requests - counts.sum, resetMs: leavesAt - now };
  }

  isOver(client: string): boolean {
    const counts = this.#clients.peek(client);
    counts?.forgetBefore(this.#moment().part - windowParts);
    return (counts?.sum ?? 0) >= this.#settings.requests;
  }

  #moment(): { readonly now: number; readonly part: number; readonly partMs: number } {
    const partMs = this.#settings.per / windowParts;
    const now = this.#clock.monotonic();
    return { now, part: Math.floor(now / partMs), partMs };
  }

  #countsOf(client: string): Counts {
    const known = this.#clients.get(client);
    if (known !== undefined) return known;
    const made = new Counts();
    this.#clients.set(client, made);
    return made;
  }
}
