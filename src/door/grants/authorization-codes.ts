import type { Clock } from '../../base/clock.ts';
import { OwnedEntries } from '../../base/owned-entries.ts';
import { SecretHashes } from '../secret-hashes.ts';
import type { GrantingUser } from '../tokens/grant.ts';
import { newSecret } from './new-secret.ts';

/** What a user has allowed a client, who comes for it. */
export interface AllowedAccess {
  readonly client: string;
  readonly redirectUri: string;
  /** `code_challenge` of S256. */
  readonly challenge: string;
  readonly scopes: readonly string[];
  readonly user: GrantingUser;
}

/** A code that was shown for the first time. */
export interface ShownCode {
  readonly access: AllowedAccess;
  /** Was it shown again since? Then somebody has it who should not. */
  readonly isReplayed: () => boolean;
  /** What is to be ended where it is shown again (RFC 6749 section 4.1.2). */
  readonly gave: (end: () => void) => void;
}

interface Code {
  readonly access: AllowedAccess;
  shown: number;
  end: () => void;
}

/** A browser brings it to the client, and the client here, at once. Milliseconds. */
const lifeMs = 60_000;
const bounds = { most: 10_000, mostOfOne: 20 };

/** Authorization codes: each is good once. Those that were shown stay to their end, so that it is seen when one is shown again. */
export class AuthorizationCodes {
  readonly #hashes = new SecretHashes();
  readonly #codes: OwnedEntries<Code>;

  constructor(clock: Clock) {
    this.#codes = new OwnedEntries({ clock, lifeMs, ...bounds });
  }

  /** The code: a secret. */
  give(access: AllowedAccess): string {
    const code = newSecret();
    this.#codes.add(this.#hashes.of(code), access.user.name, { access, shown: 0, end: () => {} });
    return code;
  }

  /** Uses it up, by whomever and with whatever it is shown. Undefined: it is none, or not any more. */
  show(code: string): ShownCode | undefined {
    const found = this.#codes.get(this.#hashes.of(code));
    if (found === undefined) return undefined;
    found.shown += 1;
    if (found.shown > 1) {
      found.end();
      return undefined;
    }
    return {
      access: found.access,
      isReplayed: () => found.shown > 1,
      gave: (end) => {
        found.end = end;
      },
    };
  }
}
