import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/** Remembers values for so long as it is told, the `max` that were used last. */
export class Expiring<Value> {
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, { readonly value: Value; readonly until: number }>;

  constructor(clock: Clock, max: number) {
    this.#clock = clock;
    this.#entries = new LRUCache({ max });
  }

  /** Undefined: it was not told, or its time is over. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.until > this.#clock.monotonic() ? entry.value : undefined;
  }

  set(key: string, value: Value, milliseconds: number): void {
    this.#entries.set(key, { value, until: this.#clock.monotonic() + milliseconds });
  }
}
