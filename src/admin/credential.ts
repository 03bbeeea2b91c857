import { createHash, timingSafeEqual } from 'node:crypto';

/** What whoever administers shows: a user with a password, a token, or either. `''` and undefined are none. */
export interface AdminSecrets {
  readonly user: string;
  readonly password: string | undefined;
  readonly token: string | undefined;
}

export type Scheme = 'basic' | 'bearer';

/** Holds hashes: two of them are compared in a time that says nothing of either. */
export class AdminCredential {
  readonly #basic: Buffer | undefined;
  readonly #bearer: Buffer | undefined;

  private constructor(basic: string | undefined, bearer: string | undefined) {
    this.#basic = basic === undefined ? undefined : hashOf(basic);
    this.#bearer = bearer === undefined ? undefined : hashOf(bearer);
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
    if (scheme.toLowerCase() === 'bearer') return isSame(value, this.#bearer) ? 'bearer' : undefined;
    if (scheme === '') return undefined;
    return isSame(Buffer.from(value, 'base64').toString('utf8'), this.#basic) ? 'basic' : undefined;
  }
}

function isSame(shown: string, expected: Buffer | undefined): boolean {
  return expected !== undefined && timingSafeEqual(hashOf(shown), expected);
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
