import type { Clock } from '../../base/clock.ts';
import { OwnedEntries } from '../../base/owned-entries.ts';
import { SecretHashes } from '../secret-hashes.ts';
import type { GrantingUser } from '../tokens/grant.ts';
import { newSecret } from './new-secret.ts';

/** What a user has allowed a client for as long as it comes again. */
export interface LastingAccess {
  readonly client: string;
  readonly scopes: readonly string[];
  readonly user: GrantingUser;
}

/** The refresh tokens of one sign-in, each of which takes the place of the one before. */
export interface Session {
  readonly access: LastingAccess;
  /** Makes the next token: a secret. The one that was shown is good no more. */
  readonly renew: () => string;
  readonly end: () => void;
}

interface Kept {
  readonly access: LastingAccess;
  /** Hash of the token that is good. */
  current: string;
}

/** From the sign-in on, however often it was renewed. Milliseconds. */
const lifeMs = 30 * 24 * 3_600_000;
const bounds = { most: 10_000, mostOfOne: 50 };
/** The name of the session, and what makes it this token of it: both secret. */
const form = /^([A-Za-z0-9_-]{43})\.[A-Za-z0-9_-]{43}$/;

/**
 * Refresh tokens, each of which is good once (RFC 9700 section 4.14). One that is shown again ends its session: it was stolen, and nobody can say by whom it is
 * shown now. They are in memory alone, and end with the process.
 */
export class RefreshTokens {
  readonly #hashes = new SecretHashes();
  readonly #sessions: OwnedEntries<Kept>;

  constructor(clock: Clock) {
    this.#sessions = new OwnedEntries({ clock, lifeMs, ...bounds });
  }

  /** Its first token, a secret, and how to end it. */
  begin(access: LastingAccess): { readonly token: string; readonly end: () => void } {
    const name = newSecret();
    const key = this.#hashes.of(name);
    const { token, current } = this.#next(name);
    this.#sessions.add(key, access.user.name, { access, current });
    return { token, end: () => this.#sessions.forget(key) };
  }

  /** Undefined: there is no such session, or there is none any more. */
  of(token: string): Session | undefined {
    const [, name = ''] = form.exec(token) ?? [];
    const key = this.#hashes.of(name);
    const kept = this.#sessions.get(key);
    if (kept === undefined) return undefined;
    const end = (): void => this.#sessions.forget(key);
    if (kept.current !== this.#hashes.of(token)) {
      end();
      return undefined;
    }
    const renew = (): string => {
      const next = this.#next(name);
      kept.current = next.current;
      return next.token;
    };
    return { access: kept.access, renew, end };
  }

  #next(name: string): { readonly token: string; readonly current: string } {
    const token = `${name}.${newSecret()}`;
    return { token, current: this.#hashes.of(token) };
  }
}
