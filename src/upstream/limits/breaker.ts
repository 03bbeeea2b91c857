import type { Clock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';
import { NoAnswer } from '../../oci/no-answer.ts';
import { worded } from '../../oci/wording.ts';

/** Why nothing is sent, and until when. Times by {@link Clock.monotonic}. */
interface Opening {
  error: RegistryError;
  readonly since: number;
  /** What was sent before says nothing of whether it is over. */
  moment: number;
  /** Then one of all is let through to see. */
  until: number;
  /** Then one that has not failed here is. */
  strangersFrom: number;
}

/** So many different things without an answer in a row are no longer each its own fault. */
const enough = 3;
/** Of the names of those that failed so many are remembered. */
const maxFailing = 200;
/** Who does not answer is asked so often. Milliseconds. */
export const probeMs = 2000;

/**
 * Stands before what may not answer. It opens when told to, and when three different things got no answer with none that did in
 * between. While it is open everything fails at once with the failure that opened it, but for one every two seconds, which is
 * let through to see. Those that have failed here are not it where another comes: the thing at fault is often the one that
 * is asked for most. Whoever was let through may never come back; the next one does not wait for it.
 *
 * What is asked for has one name or several, any of which may be at fault: a blob is one and the same in all repositories that
 * have it. Things that share a name are not different.
 */
export class Breaker {
  readonly #clock: Clock;
  readonly #failing = new Set<string>();
  /** How many that share no name. */
  #different = 0;
  /** Counts answers and what opens it, to know what came first. */
  #moment = 0;
  #answeredAt = 0;
  #opening: Opening | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** To be handed in with what becomes of a request that is sent now: has anything happened since? */
  get moment(): number {
    return this.#moment;
  }

  /** While it is not, nothing has to be checked, or told to be let through. */
  get isOpen(): boolean {
    return this.#opening !== undefined;
  }

  /** Throws where this may not be sent. */
  check(names: readonly string[]): void {
    const opening = this.#opening;
    if (opening === undefined || this.#isStranger(names, opening)) return;
    const leftMs = opening.until - this.#clock.monotonic();
    if (leftMs > 0) throw again(opening.error, leftMs);
  }

  /** It is sent: after {@link check}, and before anything else happens. */
  letThrough(names: readonly string[]): void {
    const opening = this.#opening;
    if (opening === undefined) return;
    const next = this.#clock.monotonic() + probeMs;
    if (this.#isStranger(names, opening)) opening.strangersFrom = next;
    else opening.until = next;
  }

  /** Nothing may be sent for so long, or for as long as was said before. True: it was not open. */
  open(error: RegistryError, pauseMs: number): boolean {
    const until = this.#clock.monotonic() + pauseMs;
    const known = this.#opening;
    this.#moment += 1;
    if (known !== undefined && known.until > until) known.moment = this.#moment;
    else {
      const since = known?.since ?? this.#clock.monotonic();
      const strangersFrom = Number.POSITIVE_INFINITY;
      this.#opening = { error, since, moment: this.#moment, until, strangersFrom };
    }
    return known === undefined;
  }

  /** This got no answer; the {@link moment} as it was sent. True: that opened it. */
  failed(names: readonly string[], error: RegistryError, sentAt: number): boolean {
    if (sentAt < this.#answeredAt) return false;
    if (!names.some((name) => this.#failing.has(name))) this.#different += 1;
    for (const name of names) this.#remember(name);
    const opening = this.#opening;
    if (opening !== undefined) {
      // What opened it may be over, and only this thing at fault.
      opening.strangersFrom = Math.min(opening.strangersFrom, opening.until);
      return false;
    }
    if (this.#different < enough) return false;
    const now = this.#clock.monotonic();
    this.#moment += 1;
    this.#opening = { error, since: now, moment: this.#moment, until: now + probeMs, strangersFrom: now };
    return true;
  }

  /** Something was answered; the {@link moment} as it was sent. How long it was open, if it is no more: milliseconds. */
  answered(sentAt: number): number | undefined {
    this.#moment += 1;
    this.#answeredAt = this.#moment;
    this.#failing.clear();
    this.#different = 0;
    const opening = this.#opening;
    if (opening === undefined || sentAt < opening.moment) return undefined;
    this.#opening = undefined;
    return this.#clock.monotonic() - opening.since;
  }

  #isStranger(names: readonly string[], { strangersFrom }: Opening): boolean {
    return this.#clock.monotonic() >= strangersFrom && !names.some((name) => this.#failing.has(name));
  }

  #remember(name: string): void {
    this.#failing.delete(name);
    this.#failing.add(name);
    const [oldest] = this.#failing;
    if (this.#failing.size > maxFailing && oldest !== undefined) this.#failing.delete(oldest);
  }
}

/** The failure that opened it, for one that was not sent. */
function again(error: RegistryError, leftMs: number): RegistryError {
  const seconds = String(Math.ceil(leftMs / 1000));
  const words = worded`${error.wording}; asked again in ${seconds} s`;
  const options = { status: error.status, headers: { 'Retry-After': seconds } };
  return error instanceof NoAnswer
    ? new NoAnswer(new URL(error.origin), error.saysOf, words, options)
    : new RegistryError(error.code, words, options);
}
