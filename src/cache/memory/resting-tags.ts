import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';

/** After upstream failed, the stale copy is served without asking for so long. */
const restMs = 2000;

/** Tags for which upstream has just failed, and why. */
export class RestingTags {
  readonly #clock: Clock;
  readonly #resting = new LRUCache<string, { readonly until: number; readonly cause: string }>({
    max: 10_000,
  });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(key: string, cause: string): void {
    this.#resting.set(key, { until: this.#clock.monotonic() + restMs, cause });
  }

  /** Undefined: upstream may be asked. */
  causeOf(key: string): string | undefined {
    const entry = this.#resting.get(key);
    return entry !== undefined && entry.until > this.#clock.monotonic() ? entry.cause : undefined;
  }
}
