import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { SingleFlight } from '../../base/single-flight.ts';
import { RegistryError } from '../../oci/error.ts';
import { Stopping } from '../../oci/stopping.ts';
import type { Asker } from './shown-credential.ts';
import { Strangers } from './strangers.ts';

/** What of a repository is asked for. `of`: its tag or digest; '' where there is one alone. */
export interface About {
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers' | 'version';
  readonly of: string;
}

/** Somebody who asks about one repository. */
export interface Asking {
  readonly asker: Asker;
  readonly repository: string;
  /** Asks the registry in his name, by the credential itself. Rejects with what it answers. */
  readonly ask: (about: About) => Promise<unknown>;
}

export interface RightsSettings {
  readonly clock: Clock;
  /** How long who was let is believed while the registry cannot be asked. Milliseconds. */
  readonly staleGrantMs: number;
  /** How long the registry may take to answer about somebody of whom that is so. Milliseconds. */
  readonly patienceMs: number;
}

/** How long the registry's yes holds. Milliseconds. */
const freshMs = 60_000;
/** How long its no to one question is said again: a client that is refused comes again at once, and again. Milliseconds. */
const refusedMs = 10_000;
/** It has just failed: so long nobody who is believed meanwhile waits for it again. Milliseconds. */
const restMs = 2000;
/** Repositories of those who ask that are remembered, and refusals. */
const maxGrants = 10_000;
const maxRefusals = 2000;
/** What is asked while a grant is ended is asked again, so often. */
const maxTries = 3;

/** What its no says; where it was thrown, and why, is of the first who was told. */
type Refusal = Pick<RegistryError, 'code' | 'wording' | 'status'>;

/** The registry's yes. */
interface Grant {
  /** Before it was asked, by the monotonic clock. */
  readonly askedAt: number;
  /** For what. */
  readonly by: About;
}

/**
 * What one registry lets whom have, by its own word about each: a yes is of one who asks and one repository, and holds for a minute; a no (401, 403, 404) ends it at
 * once. Where nothing comes that is either (no answer, 429, 5xx) he is believed for `staleGrantMs` who was let before.
 */
export class Rights {
  readonly #settings: RightsSettings;
  readonly #strangers: Strangers;
  readonly #grants: Expiring<Grant>;
  /** Who was let lately, be the grant ended or not: his credential is no guess. */
  readonly #known: Expiring<true>;
  /** The number of the end that a grant came to: what was asked before it says nothing any more. */
  readonly #ends: Expiring<number>;
  #lastEnd = 0;
  readonly #refusals: Expiring<Refusal>;
  readonly #resting: Expiring<true>;
  readonly #questions = new SingleFlight<string, void>();

  constructor(settings: RightsSettings) {
    const { clock } = settings;
    this.#settings = settings;
    this.#strangers = new Strangers(clock);
    this.#grants = new Expiring(clock, maxGrants);
    this.#known = new Expiring(clock, maxGrants);
    this.#ends = new Expiring(clock, maxGrants);
    this.#refusals = new Expiring(clock, maxRefusals);
    this.#resting = new Expiring(clock, maxRefusals);
  }

  /**
   * Settles where he may have this of the repository. `shownBy`: what he is to be let have for that; the first that is not answered with 404 decides. Throws what the
   * registry answers, TOOMANYREQUESTS where it is not asked for him, the signal's reason.
   */
  async prove(
    asking: Asking,
    about: About,
    shownBy: () => Promise<readonly About[]>,
    signal?: AbortSignal,
  ): Promise<void> {
    const key = keyOf(asking);
    const refusal = this.#refusals.get(textOf(key, about));
    if (refusal !== undefined) throw new RegistryError(refusal.code, refusal.wording, refusal);
    if (this.#isFresh(key)) return;
    if (this.#isBelieved(key) && this.#resting.get(key) === true) return;
    const looking = this.#look(asking, about, shownBy);
    try {
      await (this.#isBelieved(key) ? this.#patiently(looking, signal) : abortable(looking, signal));
    } catch (error) {
      signal?.throwIfAborted();
      if (!isOutage(error) || !this.#isBelieved(key)) throw error;
      this.#resting.set(key, true, restMs);
    }
  }

  /** May he still, as far as the registry has said anything since? */
  holds(asking: Asking): boolean {
    const key = keyOf(asking);
    return this.#isFresh(key) || this.#isBelieved(key);
  }

  /** Told what the registry has answered him when it was asked for something in his name. */
  async answered(asking: Asking, about: About, error: unknown): Promise<void> {
    if (isRefusal(error)) this.#refused(keyOf(asking), about, error);
    else if (isAbsence(error)) await this.#absent(asking, about);
  }

  #isFresh(key: string): boolean {
    return this.#ageOf(key) < freshMs;
  }

  #isBelieved(key: string): boolean {
    return this.#ageOf(key) < this.#settings.staleGrantMs;
  }

  #ageOf(key: string): number {
    const grant = this.#grants.get(key);
    return grant === undefined ? Number.POSITIVE_INFINITY : this.#settings.clock.monotonic() - grant.askedAt;
  }

  /** What is found later counts then. Throws UNAVAILABLE (504). */
  async #patiently(looking: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
    const { clock, patienceMs } = this.#settings;
    const waiting = new AbortController();
    const late = clock.sleep(patienceMs, waiting.signal).then(() => {
      throw new RegistryError('UNAVAILABLE', 'upstream did not answer in time', { status: 504 });
    });
    looking.catch(() => {});
    late.catch(() => {});
    try {
      await abortable(Promise.race([looking, late]), signal);
    } finally {
      waiting.abort();
    }
  }

  async #look(asking: Asking, about: About, shownBy: () => Promise<readonly About[]>): Promise<void> {
    let absence: unknown;
    for (const question of await shownBy()) {
      try {
        await this.#ask(asking, question);
        return;
      } catch (error) {
        if (isRefusal(error)) this.#refused(keyOf(asking), about, error);
        if (!isAbsence(error)) throw error;
        absence = error;
      }
    }
    await this.#absent(asking, about);
    throw absence;
  }

  /** The same is asked once at a time. */
  async #ask(asking: Asking, question: About): Promise<void> {
    const { asker } = asking;
    const key = keyOf(asking);
    await this.#questions.run(textOf(key, question), async () => {
      // Where a registry lets anybody have something, that says nothing of his password.
      const isKnown = this.#known.get(key) === true;
      const ask = async (): Promise<void> => await this.#askedAnew(asking, question);
      try {
        await (isKnown ? ask() : this.#strangers.ask(asker, ask));
      } catch (error) {
        if (!isKnown && (isRefusal(error) || isAbsence(error))) this.#strangers.wasWrong(asker);
        throw error;
      }
    });
  }

  async #askedAnew(asking: Asking, question: About): Promise<void> {
    const { clock, staleGrantMs } = this.#settings;
    const key = keyOf(asking);
    for (let tries = 0; tries < maxTries; tries += 1) {
      const [askedAt, lastEnd] = [clock.monotonic(), this.#lastEnd];
      await asking.ask(question);
      if ((this.#ends.get(key) ?? 0) > lastEnd) continue;
      const forMs = Math.max(freshMs, staleGrantMs);
      this.#grants.set(key, { askedAt, by: question }, forMs);
      this.#known.set(key, true, forMs);
      return;
    }
    throw new RegistryError('UNAVAILABLE', 'upstream says now this and now that of who may', {
      status: 503,
      headers: { 'Retry-After': '1' },
    });
  }

  #refused(key: string, about: About, { code, wording, status }: RegistryError): void {
    this.#end(key);
    this.#refusals.set(textOf(key, about), { code, wording, status }, refusedMs);
  }

  /** Registries say so, too, of what somebody may not see. What he was let have before tells: he asks for it once more. */
  async #absent(asking: Asking, about: About): Promise<void> {
    const key = keyOf(asking);
    const grant = this.#grants.get(key);
    this.#end(key);
    if (grant === undefined || textOf(key, grant.by) === textOf(key, about)) return;
    // Whatever comes of it: there is a grant then, or none.
    await this.#ask(asking, grant.by).catch(() => {});
  }

  #end(key: string): void {
    this.#lastEnd += 1;
    this.#grants.forget(key);
    // As long as anything that was asked before may be under way.
    this.#ends.set(key, this.#lastEnd, 10 * freshMs);
  }
}

function keyOf({ asker, repository }: Asking): string {
  return `${asker.key} ${repository}`;
}

function textOf(key: string, { kind, of }: About): string {
  return `${key} ${kind} ${of}`;
}

function isRefusal(error: unknown): error is RegistryError {
  return error instanceof RegistryError && (error.status === 401 || error.status === 403);
}

function isAbsence(error: unknown): boolean {
  return error instanceof RegistryError && error.status === 404;
}

/** Nothing was said of him. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof RegistryError) || error instanceof Stopping) return false;
  return error.status === 429 || error.status >= 500;
}
