import { abortable } from '../../base/abortable.ts';
import type { Clock } from '../../base/clock.ts';
import { Expiring } from '../../base/expiring.ts';
import { OwnedEntries } from '../../base/owned-entries.ts';
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
/** Repositories of those who ask that are remembered, of all and of one network: whoever is let have any number of public ones has nobody else forgotten. */
const grantBounds = { most: 10_000, mostOfOne: 5000 };
/** So many refusals are remembered, and so many who do not wait. */
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

/** What is being asked in the name of somebody of a repository. */
interface UnderWay {
  questions: number;
  /** How often it was said meanwhile that he may not: what was asked before says nothing any more. */
  ends: number;
}

/**
 * What one registry lets whom have, by its own word about each: a yes is of one who asks and one repository, and holds for a minute; a no (401, 403, 404) ends it at
 * once. Where nothing comes that is either (no answer, 429, 5xx) he is believed for `staleGrantMs` who was let before.
 */
export class Rights {
  readonly #settings: RightsSettings;
  readonly #strangers: Strangers;
  readonly #grants: OwnedEntries<Grant>;
  /** Who was let lately, be the grant ended or not: his credential is no guess. */
  readonly #known: OwnedEntries<true>;
  readonly #underWay = new Map<string, UnderWay>();
  readonly #refusals: Expiring<Refusal>;
  readonly #resting: Expiring<true>;
  readonly #questions = new SingleFlight<string, void>();

  constructor(settings: RightsSettings) {
    const { clock, staleGrantMs } = settings;
    this.#settings = settings;
    this.#strangers = new Strangers(clock);
    const bounds = { clock, ...grantBounds, lifeMs: Math.max(freshMs, staleGrantMs) };
    this.#grants = new OwnedEntries(bounds);
    this.#known = new OwnedEntries(bounds);
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
    const key = keyOf(asking);
    const underWay = this.#underWay.get(key) ?? { questions: 0, ends: 0 };
    this.#underWay.set(key, underWay);
    underWay.questions += 1;
    try {
      await this.#askedUntilItHolds(asking, question, underWay);
    } finally {
      underWay.questions -= 1;
      if (underWay.questions === 0) this.#underWay.delete(key);
    }
  }

  async #askedUntilItHolds(asking: Asking, question: About, underWay: UnderWay): Promise<void> {
    const { clock } = this.#settings;
    for (let tries = 0; tries < maxTries; tries += 1) {
      const [askedAt, ends] = [clock.monotonic(), underWay.ends];
      await asking.ask(question);
      if (underWay.ends > ends) continue;
      const [key, { network }] = [keyOf(asking), asking.asker];
      this.#grants.add(key, network, { askedAt, by: question });
      this.#known.add(key, network, true);
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
    this.#grants.forget(key);
    const underWay = this.#underWay.get(key);
    if (underWay !== undefined) underWay.ends += 1;
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
