import { HashedSecret } from '../base/hashed-secret.ts';

/** What whoever administers shows: a user with a password, a token, or either. `''` and undefined are none. */
export interface AdminSecrets {
  readonly user: string;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

export type Scheme = 'basic' | 'bearer';

export class AdminCredential {
  readonly #basic: HashedSecret | undefined;
  readonly #bearer: HashedSecret | undefined;

  private constructor(basic: string | undefined, bearer: string | undefined) {
    this.#basic = basic === undefined ? undefined : new HashedSecret(basic);
    this.#bearer = bearer === undefined ? undefined : new HashedSecret(bearer);
  }

  /** Undefined: there is none. */
  static of({ user, password, token }: AdminSecrets): AdminCredential | undefined {
    const basic = user === '' || password === undefined ? undefined : `${user}:${password}`;
    return basic === undefined && token === undefined ? undefined : new AdminCredential(basic, token);
  }

  /** How it is asked for (RFC 7617, RFC 6750). */
  get challenge(): string {
    const basic = this.#basic && 'Basic realm="ociregistry admin", charset="UTF-8"';
    const bearer = this.#bearer && 'Bearer realm="ociregistry admin"';
    return [basic, bearer].filter((text) => text !== undefined).join(', ');
  }

  /** By which scheme the header Authorization shows it; undefined: it does not. */
  shownBy(authorization: string): Scheme | undefined {
    const [, scheme = '', value = ''] = /^(basic|bearer) +(\S+)$/i.exec(authorization) ?? [];
    if (scheme.toLowerCase() === 'bearer') return this.#bearer?.is(value) === true ? 'bearer' : undefined;
    if (scheme === '') return undefined;
    return this.#basic?.is(Buffer.from(value, 'base64').toString('utf8')) === true ? 'basic' : undefined;
  }
}
