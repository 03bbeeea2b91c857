import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import { WrongGuesses } from '../wrong-guesses.ts';
import { userAndPassword } from './basic.ts';
import type { PasswordChecks } from './password-checks.ts';
import type { Proof, Refused } from './proof.ts';
import type { UserFile } from './user-file.ts';

/** As long as whoever has a password may pull without that it is hashed again. Milliseconds. */
const rememberedMs = 60_000;
/** The same for whoever is not there, and for whoever has another password. */
const why = 'the user or the password is wrong';

/** Users of a password file by what they show (RFC 7617). */
export class Passwords {
  readonly #file: Pick<UserFile, 'users' | 'hashOf' | 'check'>;
  readonly #checks: Pick<PasswordChecks, 'check'>;
  readonly #guesses: WrongGuesses;
  readonly #key = randomBytes(32);

  constructor(
    file: Pick<UserFile, 'users' | 'hashOf' | 'check'>,
    checks: Pick<PasswordChecks, 'check'>,
    clock: Clock,
  ) {
    this.#guesses = new WrongGuesses(clock);
    this.#file = file;
    this.#checks = checks;
  }

  /**
   * Wrong user and wrong password take the same: where there is no such user, the password is compared with the hash of another, and what comes of it
   * does not count. Throws TOOMANYREQUESTS, UNAVAILABLE.
   */
  readonly prove = async (encoded: string, owner: string): Promise<Proof | Refused> => {
    const shown = userAndPassword(encoded);
    if (shown === undefined) return { why };
    this.#guesses.check(owner);
    const { user, password } = shown;
    await this.#file.check();
    const { users } = this.#file;
    const wrong: Refused = { why, holds: () => this.#file.users === users };
    const own = this.#file.hashOf(user);
    const hash = own ?? this.#standIn(user);
    if (hash === undefined) return wrong;
    const is = await this.#checks.check(owner, { hash, password });
    const holds = (): boolean => own !== undefined && this.#file.hashOf(user) === own;
    // Of those that were shown at once too, no more are told apart.
    this.#guesses.check(owner);
    // The file may have changed while it was hashed.
    if (is && holds()) return this.#proofOf(user, holds);
    this.#guesses.add(owner, encoded);
    return wrong;
  };

  #proofOf(user: string, holds: () => boolean): Proof {
    const isTakenFrom = (network: string): boolean => !this.#guesses.isOver(network);
    const known = { id: user, by: 'password', groups: [] } as const;
    return { known, holds, isTakenFrom, forMs: rememberedMs, renewed: true };
  }

  /** Always the same for a name, as if that was its own: files have hashes that take more and less. */
  #standIn(user: string): string | undefined {
    const hashes = [...this.#file.users.values()];
    const chosen = createHmac('sha256', this.#key).update(user).digest().readUInt32BE(0);
    return hashes[chosen % hashes.length];
  }
}
