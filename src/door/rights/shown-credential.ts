import { networkOf } from '../../base/network-of.ts';
import { basicIn, type UserAndPassword } from '../identity/basic.ts';
import { SecretHashes } from '../secret-hashes.ts';

/** Somebody who asks by the user and the password that he has at a registry. Nobody here knows whether they are right. */
export interface Asker extends UserAndPassword {
  /** By which the same credential is known again: a keyed hash of it, good in this process alone. */
  readonly key: string;
  /** Where he asks from, for whom wrong passwords count. */
  readonly network: string;
}

/** By what is told who asks. */
export class ShownCredentials {
  readonly #hashes = new SecretHashes();

  /** Undefined: he shows no user with a password (RFC 7617). `authorization`: the header, a secret. */
  of(authorization: string | undefined, address: string | undefined): Asker | undefined {
    const shown = basicIn(authorization);
    if (shown === undefined) return undefined;
    const { user, password } = shown;
    const key = this.#hashes.of(`${user}:${password}`);
    return { user, password, key, network: networkOf(address ?? '') };
  }
}
