import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Allowance, Counter } from './rate-limit.ts';

/** A request waits no longer for the counter. Milliseconds. */
const patienceMs = 300;
/** So long nobody asks it again. Milliseconds. */
const pauseMs = 1000;
/** So many may wait for it; it answers them in less than {@link patienceMs}. */
const maxWaiting = 4000;

/**
 * A counter that somebody else has, and that may be away: then nobody waits for it, and the log says so once, and once when it is back. Too many who wait do not
 * make it away: else whoever asks often enough would lift the limit.
 */
export class ReachableCounter {
  readonly #counter: Counter;
  readonly #clock: Clock;
  readonly #log: Log;
  #isAway = false;
  #waiting = 0;
  /** By {@link Clock.monotonic}. */
  #askAgainAt = 0;

  constructor(counter: Counter, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#counter = counter;
    this.#clock = clock;
    this.#log = log;
  }

  /** Undefined: it could not be reached. `busy`: too many wait for it. */
  async count(client: string): Promise<Allowance | 'busy' | undefined> {
    if (this.#isAway && this.#clock.monotonic() < this.#askAgainAt) return undefined;
    if (this.#waiting >= maxWaiting) return this.#isAway ? undefined : 'busy';
    // One asks; the others do not wait until he knows.
    this.#askAgainAt = this.#clock.monotonic() + pauseMs;
    try {
      const allowance = await this.#inTime(client);
      this.#isBack();
      return allowance;
    } catch (error) {
      this.#hasGone(error);
      return undefined;
    }
  }

  async #inTime(client: string): Promise<Allowance> {
    const late = Promise.withResolvers<never>();
    using _ = this.#clock.after(patienceMs, () => late.reject(new Error('it does not answer in time')));
    return await Promise.race([this.#answer(client), late.promise]);
  }

  /** Waits on where nobody does any more. */
  async #answer(client: string): Promise<Allowance> {
    this.#waiting += 1;
    try {
      return await this.#counter.count(client);
    } finally {
      this.#waiting -= 1;
    }
  }

  #isBack(): void {
    if (!this.#isAway) return;
    this.#isAway = false;
    this.#log.warn({}, 'the counter of the rate limit is back');
  }

  #hasGone(error: unknown): void {
    if (this.#isAway) return;
    this.#isAway = true;
    this.#askAgainAt = this.#clock.monotonic() + pauseMs;
    // Its text may name whom it asked, and how.
    const reason = error instanceof Error && 'code' in error ? String(error.code) : nameOf(error);
    this.#log.error({ reason }, 'the counter of the rate limit cannot be reached: onStoreError decides');
  }
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : 'unknown';
}
