import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { RegistryError } from '../../oci/error.ts';

const maxAbsent = 10_000;
/** Upstream may say much of each. Bytes. */
const maxBytes = 4 * 1024 * 1024;
/** What each takes besides its texts. */
const perAbsent = 400;

/** What a 404 says; where it was thrown, and why, is of the first who was told. */
type Absence = Pick<RegistryError, 'code' | 'wording' | 'status' | 'detail' | 'headers'>;

/** Remembers for a few seconds what upstream does not have. 404 only: nothing else says that a thing is absent. */
export class NegativeCache {
  readonly #absent: Expiring<Absence>;

  /** `max`: so many are remembered. */
  constructor(clock: Clock, max = maxAbsent) {
    this.#absent = new Expiring(clock, max, { most: maxBytes, of: bytesOf });
  }

  /** Throws the remembered 404. */
  check(key: string): void {
    const absence = this.#absent.get(key);
    if (absence !== undefined) throw new RegistryError(absence.code, absence.wording, absence);
  }

  /** It may be there by now. */
  forget(key: string): void {
    this.#absent.forget(key);
  }

  /** Keeps a 404 for `ttlMs`; every other error is left alone. */
  note(key: string, error: unknown, ttlMs: number): void {
    if (ttlMs <= 0 || !isAbsent(error)) return;
    const { code, wording, status, detail, headers } = error;
    this.#absent.set(key, { code, wording, status, detail, headers }, ttlMs);
  }
}

function bytesOf({ wording, detail, headers }: Absence, key: string): number {
  const texts = [wording.forClients, wording.forOperator, JSON.stringify([detail, headers])];
  return perAbsent + 2 * texts.reduce((sum, { length }) => sum + length, key.length);
}

export function isAbsent(error: unknown): error is RegistryError {
  return error instanceof RegistryError && error.status === 404;
}
