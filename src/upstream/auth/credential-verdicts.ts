import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Credential } from '../../credentials/credentials.ts';
import { identityOf } from '../../credentials/identity.ts';
import type { OnOddity } from '../../net/oddity.ts';
import type { Doubt } from './password-trials.ts';

const isRefused = 'the credential for upstream is refused: what is private cannot be pulled';
const isTaken = 'the credential for upstream is taken again';

/** So many repositories in a row that refuse a ready header, and none that takes it: it is the header. */
const enough = 3;
/** Scopes that a ready header was taken for. */
const maxScopes = 1000;
/** Of what is refused and taken in turn a line comes so seldom. Milliseconds. */
const quietMs = 60_000;

/**
 * Says once that a credential is refused, and once that it, or the one in its place, is taken again: as an error where it is wrong, as a
 * warning where that is not known yet.
 */
export class CredentialVerdicts {
  readonly #onOddity: OnOddity;
  readonly #clock: Clock;
  /** Of a ready header; no more than {@link enough}. */
  readonly #refusedInARow = new Set<string>();
  /** Of a ready header. */
  readonly #takenFor = new LRUCache<string, true>({ max: maxScopes });
  /** Refused for what it had been taken for, and not taken since. */
  #isWithdrawn = false;
  #wasTaken = false;
  #toldAt = Number.NEGATIVE_INFINITY;
  #told: { readonly credential: Credential; readonly level: 'warn' | 'error' } | undefined;

  constructor(onOddity: OnOddity, clock: Clock) {
    this.#onOddity = onOddity;
    this.#clock = clock;
  }

  /** A ready header was refused for this. A repository may be others', if it was not taken for it before. */
  refusedReady(credential: Credential, by: string, scope: string): void {
    if (this.#refusedInARow.size < enough) this.#refusedInARow.add(scope);
    if (this.#takenFor.delete(scope)) this.#isWithdrawn = true;
    const isWrong = this.#isWithdrawn || this.#refusedInARow.size >= enough;
    this.refused(credential, by, isWrong ? 'wrong' : this.#wasTaken ? 'none' : 'some');
  }

  takenReady(credential: Credential, scope: string): void {
    this.#takenFor.set(scope, true);
    this.taken(credential);
  }

  /** `by`: the host of a registry or token server. */
  refused(credential: Credential, by: string, doubt: Doubt): void {
    if (doubt === 'none') return;
    const level = doubt === 'wrong' ? 'error' : 'warn';
    const told = this.#told;
    if (told?.credential === credential && (told.level === 'error' || level === 'warn')) return;
    const now = this.#clock.monotonic();
    if (told === undefined && now < this.#toldAt + quietMs) return;
    this.#toldAt = now;
    this.#told = { credential, level };
    this.#onOddity(isRefused, { who: identityOf(credential), by }, level);
  }

  taken(credential: Credential): void {
    this.#wasTaken = true;
    this.#refusedInARow.clear();
    this.#isWithdrawn = false;
    if (this.#told === undefined) return;
    const { level } = this.#told;
    this.#told = undefined;
    this.#onOddity(isTaken, { who: identityOf(credential) }, level);
  }
}
