import type { Exchange } from '../../http/exchange/exchange.ts';
import { RegistryError } from '../../oci/error.ts';
import { basicText } from '../identity/basic.ts';
import type { Identification } from '../identity/identification.ts';
import type { GrantingUser } from '../tokens/grant.ts';
import { stampOf } from '../tokens/password-stamp.ts';

export interface SignInParts {
  /** Takes passwords alone. */
  readonly identification: Pick<Identification, 'identify'>;
  /** The hash of a user's password; undefined: there is no such user. */
  readonly hashOf: (user: string) => string | undefined;
  /** Looks whether the file of users has changed. */
  readonly lookAgain: () => Promise<void>;
  /** Where the caller is, as far as it is known. */
  readonly addressOf: (exchange: Exchange) => string | undefined;
}

/** A file that changes while a password is hashed is looked at again, once. */
const looks = 2;

/** Users by their passwords, in one way wherever they come in: guesses count together. */
export class SignIn {
  readonly #parts: SignInParts;

  constructor(parts: SignInParts) {
    this.#parts = parts;
  }

  addressOf(exchange: Exchange): string {
    return this.#parts.addressOf(exchange) ?? '';
  }

  /** Undefined: the user or the password is wrong. Throws TOOMANYREQUESTS (429), UNAVAILABLE (503). */
  async user(exchange: Exchange, name: string, password: string): Promise<GrantingUser | undefined> {
    const { identification, hashOf, addressOf } = this.#parts;
    const authorization = basicText({ user: name, password });
    if (authorization === undefined) return undefined;
    const address = addressOf(exchange);
    const wrong = new RegistryError('UNAUTHORIZED');
    try {
      for (let look = 0; look < looks; look += 1) {
        const before = hashOf(name);
        await identification.identify({ address, authorization }, () => wrong);
        const hash = hashOf(name);
        // The stamp is that of the password that was shown.
        if (hash === undefined || hash !== before) continue;
        exchange.subject = name;
        return { name, stamp: stampOf(hash) };
      }
    } catch (error) {
      if (error !== wrong) throw error;
    }
    return undefined;
  }

  /** Is he there still, with the same password, as the file says now? */
  async isStill(user: GrantingUser): Promise<boolean> {
    await this.#parts.lookAgain();
    return this.isKnown(user);
  }

  /** The same as the file said last. */
  isKnown({ name, stamp }: GrantingUser): boolean {
    const hash = this.#parts.hashOf(name);
    return hash !== undefined && stampOf(hash) === stamp;
  }
}
