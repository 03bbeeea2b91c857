import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';

/** Remembers for a few seconds what upstream does not have. 404 only: nothing else says that a thing is absent. */
export class NegativeCache {
  readonly #absent = new LRUCache<string, { readonly error: RegistryError; readonly until: number }>({
    max: 10_000,
  });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws the remembered 404. */
  check(key: string): void {
    const entry = this.#absent.get(key);
    if (entry !== undefined && entry.until > this.#clock.monotonic()) throw entry.error;
  }

  /** Keeps a 404 for `ttlMs`; every other error is left alone. */
  note(key: string, error: unknown, ttlMs: number): void {
    if (ttlMs > 0 && isAbsent(error))
      this.#absent.set(key, { error, until: this.#clock.monotonic() + ttlMs });
  }
}

export function isAbsent(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 404;
}
