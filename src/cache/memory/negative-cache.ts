import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { RegistryError } from '../../oci/error.ts';

const maxAbsent = 10_000;

/** Remembers for a few seconds what upstream does not have. 404 only: nothing else says that a thing is absent. */
export class NegativeCache {
  readonly #absent: Expiring<RegistryError>;

  constructor(clock: Clock) {
    this.#absent = new Expiring(clock, maxAbsent);
  }

  /** Throws the remembered 404. */
  check(key: string): void {
    const error = this.#absent.get(key);
    if (error !== undefined) throw error;
  }

  /** Keeps a 404 for `ttlMs`; every other error is left alone. */
  note(key: string, error: unknown, ttlMs: number): void {
    if (ttlMs > 0 && isAbsent(error)) this.#absent.set(key, error, ttlMs);
  }
}

export function isAbsent(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 404;
}
