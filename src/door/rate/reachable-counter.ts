import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Soon } from '../../base/soon.ts';
import type { Allowance, Counter } from './rate-limit.ts';

/** A request waits no longer for the counter. Milliseconds. */
const patienceMs = 300;
/** So many failures in a row, and it is away: one late answer is the fate of one request. */
const failuresOfAway = 3;
/** So long nobody asks it again. Milliseconds. */
const pauseMs = 1000;
/** So many may wait for it; it answers them in less than {@link patienceMs}. */
const maxWaiting = 4000;

interface Parts {
  readonly clock: Clock;
  readonly log: Log;
  /** Counts where the counter does not: less than all together, and so it refuses nobody whom the counter would have let through. Undefined: nobody does. */
  readonly meanwhile: Counter | undefined;
}

/**
 * A counter that somebody else has, and that may be away or late: then nobody waits for it, and the log says so once, and once when it is back. What it lets through
 * is counted here too, so that whoever makes it late does not lift the limit.
 */
export class ReachableCounter {
  readonly #counter: Counter;
  readonly #parts: Parts;
  #failures = 0;
  #waiting = 0;
  /** By {@link Clock.monotonic}. */
  #askAgainAt = 0;

  constructor(counter: Counter, parts: Parts) {
    this.#counter = counter;
    this.#parts = parts;
  }

  /** Undefined: nobody could count it. */
  async count(client: string): Promise<Allowance | undefined> {
    const { meanwhile } = this.#parts;
    const allowance = await this.#answered((counter) => counter.count(client));
    if (allowance === undefined) return await meanwhile?.count(client);
    if (!allowance.isOver) void meanwhile?.count(client);
    return allowance;
  }

  /** Likewise. */
  async isOver(client: string): Promise<boolean | undefined> {
    const isOver = await this.#answered((counter) => counter.isOver(client));
    return isOver ?? (await this.#parts.meanwhile?.isOver(client));
  }

  get #isAway(): boolean {
    return this.#failures >= failuresOfAway;
  }

  /** Undefined: not by it, now. */
  async #answered<Answer>(ask: (counter: Counter) => Soon<Answer>): Promise<Answer | undefined> {
    const { clock } = this.#parts;
    if (this.#isAway && clock.monotonic() < this.#askAgainAt) return undefined;
    if (this.#waiting >= maxWaiting) return undefined;
    // One asks; the others do not wait until he knows.
    if (this.#isAway) this.#askAgainAt = clock.monotonic() + pauseMs;
    try {
      const answer = await this.#inTime(ask);
      this.#isThere();
      return answer;
    } catch (error) {
      this.#hasFailed(error);
      return undefined;
    }
  }

  async #inTime<Answer>(ask: (counter: Counter) => Soon<Answer>): Promise<Answer> {
    const late = Promise.withResolvers<never>();
    using _ = this.#parts.clock.after(patienceMs, () => late.reject(new LateAnswer()));
    return await Promise.race([this.#answer(ask), late.promise]);
  }

  /** Waits on where nobody does any more. */
  async #answer<Answer>(ask: (counter: Counter) => Soon<Answer>): Promise<Answer> {
    this.#waiting += 1;
    try {
      return await ask(this.#counter);
    } finally {
      this.#waiting -= 1;
    }
  }

  #isThere(): void {
    if (this.#isAway) this.#parts.log.warn({}, 'the counter of the rate limit is back');
    this.#failures = 0;
  }

  #hasFailed(error: unknown): void {
    this.#failures += 1;
    if (this.#failures !== failuresOfAway) return;
    const { clock, log } = this.#parts;
    this.#askAgainAt = clock.monotonic() + pauseMs;
    log.error(
      { reason: reasonOf(error) },
      'the counter of the rate limit cannot be reached: onStoreError decides',
    );
  }
}

class LateAnswer extends Error {}

/** Its text may name whom it asked, and how: no more than the code of it, with which Redis begins what it refuses (NOAUTH, LOADING). */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  if ('code' in error) return String(error.code);
  return /^[A-Z]{2,20}(?= )/.exec(error.message)?.[0] ?? error.constructor.name;
}
