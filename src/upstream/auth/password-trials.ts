import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Scope } from '../../oci/scope.ts';
import { PatientQueue } from './patient-queue.ts';

/** What a refusal says of user and password themselves. `some`: they have not been taken yet, and this may be others' repository. */
export type Doubt = 'none' | 'some' | 'wrong';

/** User and password on their way; to be disposed of when there is a verdict, or will be none. */
export interface Trial extends Disposable {
  taken(): void;
  refused(): Doubt;
}

/** Some registries lock out an address that keeps sending wrong passwords (GitLab: ten in a minute). Milliseconds. */
const restMs = 60_000;
/** So many scopes refused, and none taken since: it is the password. */
const enough = 3;
/** While nobody knows whether it is right so many requests carry it at a time; the others hear first what became of those. */
const maxUnproven = 3;
/** But what they wait for may be silent: one more goes each time. Milliseconds. */
const patienceMs = 2000;
const maxScopes = 1000;

/**
 * When one user and password may be sent. A refusal is about the scope that they were sent for, which then rests for a minute: a
 * registry says 401, too, for a repository that others own. All rest only when three scopes in a row were refused, or one that
 * they had been taken for before; so that a wrong password is sent a few times, and then once a minute.
 */
export class PasswordTrials {
  readonly #clock: Clock;
  readonly #refusedUntil = new LRUCache<string, number>({ max: maxScopes });
  readonly #takenFor = new LRUCache<string, true>({ max: maxScopes });
  /** No more than {@link enough}. */
  readonly #refusedInARow = new Set<string>();
  readonly #unproven: PatientQueue;
  /** Taken, and no reason to doubt it since. */
  #isProven = false;
  #restsUntil = 0;
  /** Three strangers were refused, which says little of those that they were taken for. */
  #sparesKnown = false;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#unproven = new PatientQueue({ clock, places: maxUnproven, patienceMs });
  }

  /** Are they taken for wrong? Not where strangers alone were refused that they are good elsewhere. */
  get areWrong(): boolean {
    return this.#isResting && !(this.#sparesKnown && this.#takenFor.size > 0);
  }

  /** May they not be sent for this scope now? */
  rests(scope: Scope): boolean {
    return this.#rests(scope.toString());
  }

  /** Do all scopes rest, but perhaps those that they were taken for? */
  get #isResting(): boolean {
    return this.#clock.monotonic() < this.#restsUntil;
  }

  /** Undefined: not for this scope now. Rejects with the signal's reason. */
  async begin(scope: Scope, signal: AbortSignal | undefined): Promise<Trial | undefined> {
    const key = scope.toString();
    if (this.#rests(key)) return undefined;
    const leave = await this.#unproven.enter(() => this.#isProven || this.#rests(key), signal);
    if (!this.#rests(key)) return this.#trial(key, leave);
    leave?.();
    return undefined;
  }

  #rests(key: string): boolean {
    const now = this.#clock.monotonic();
    if (now < (this.#refusedUntil.get(key) ?? 0)) return true;
    return this.#isResting && !(this.#sparesKnown && this.#takenFor.has(key));
  }

  #trial(key: string, leave: (() => void) | undefined): Trial {
    return {
      taken: () => this.#taken(key),
      refused: () => this.#refused(key),
      [Symbol.dispose]: () => leave?.(),
    };
  }

  #taken(key: string): void {
    this.#isProven = true;
    this.#takenFor.set(key, true);
    this.#refusedUntil.delete(key);
    this.#refusedInARow.clear();
    this.#restsUntil = 0;
    this.#unproven.tell();
  }

  #refused(key: string): Doubt {
    this.#count(key);
    if (this.areWrong) return 'wrong';
    return this.#isProven ? 'none' : 'some';
  }

  #count(key: string): void {
    const now = this.#clock.monotonic();
    const hadBeenTaken = this.#takenFor.delete(key);
    this.#refusedUntil.set(key, now + restMs);
    if (this.#refusedInARow.size < enough) this.#refusedInARow.add(key);
    if (!hadBeenTaken && this.#refusedInARow.size < enough) return;
    // A stranger that was still on its way takes nothing back of what is known by one of ours.
    this.#sparesKnown = !hadBeenTaken && (this.#sparesKnown || !this.#isResting);
    this.#restsUntil = now + restMs;
    this.#isProven = false;
    this.#unproven.tell();
  }
}
