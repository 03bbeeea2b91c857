import type { Clock } from '../../base/clock.ts';
import type { OnOddity } from '../../net/oddity.ts';
import type { Account } from './account.ts';
import type { Quota } from './quota.ts';

export interface ReserveSettings {
  readonly accounts: readonly Account[];
  readonly clock: Clock;
  readonly onOddity: OnOddity;
}

/** Five images or so of Docker Hub's smallest quota, 100: an image that is built for several platforms counts twice. */
const share = 0.1;
/** Two such images and one more request, however small the quota. */
const least = 5;
/** Of a quota that is smaller still, half may be used up as usual. */
const most = 0.5;
/** Revalidations that look how much is left; milliseconds. */
const probeMs = 300_000;

/**
 * Keeps the last of an upstream's quota for what is not cached: nobody can pull that without it, while a cached tag is at worst
 * an old one. It holds back the HEAD of a revalidation though Docker Hub does not count HEADs: one that finds the tag moved
 * brings about GETs that count, other registries count every request, and all requests share Docker Hub's limit against abuse.
 */
export class Reserve {
  readonly #settings: ReserveSettings;
  #isKept = false;
  #probeAt = 0;

  constructor(settings: ReserveSettings) {
    this.#settings = settings;
  }

  /** May a cached tag be revalidated now? While the reserve is kept, once every five minutes: the answer says what is left. */
  admitsRevalidation(): boolean {
    const now = this.#settings.clock.monotonic();
    const wasKept = this.#isKept;
    this.#isKept = this.#isLow();
    if (this.#isKept !== wasKept) this.#tell();
    if (!this.#isKept) return true;
    if (wasKept && now < this.#probeAt) return false;
    this.#probeAt = now + probeMs;
    return wasKept;
  }

  /** Is there no account that could spare a request? */
  #isLow(): boolean {
    const { accounts } = this.#settings;
    return (
      accounts.some(isLow) &&
      accounts.every((account) => isLow(account) || account.isRefused || account.restMs('GET manifest') > 0)
    );
  }

  #tell(): void {
    const message = this.#isKept
      ? 'the quota is low: what is left of it is for what is not cached, cached tags are not revalidated'
      : 'the quota is no longer low: cached tags are revalidated again';
    this.#settings.onOddity(message, { accounts: this.#settings.accounts.map(({ quota }) => quota ?? null) });
  }
}

function isLow({ quota }: Account): boolean {
  return quota !== undefined && quota.remaining < reserveOf(quota);
}

function reserveOf({ limit }: Quota): number {
  return Math.min(Math.max(limit * share, least), limit * most);
}
