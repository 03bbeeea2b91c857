import type { IncomingHttpHeaders } from 'node:http';
import { HashedSecret } from '../base/hashed-secret.ts';
import { isRecent, isSigned, signatureHeader, timestampHeader } from './signature.ts';

/**
 * What a registry shows that tells us something: a signature as we make them, or the secret itself as a bearer token, for whoever can send fixed headers
 * alone. Compared in a time that says nothing of it.
 */
export class IncomingCredential {
  readonly #secret: string;
  readonly #token: HashedSecret;

  constructor(secret: string) {
    this.#secret = secret;
    this.#token = new HashedSecret(secret);
  }

  /** Before the body is read: `yes`, `no`, or a reader of it who says so. */
  judge(headers: IncomingHttpHeaders, now: number): boolean | ((body: Uint8Array) => boolean) {
    const [, token] = /^bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
    if (token !== undefined) return this.#token.is(token);
    const [timestamp, signature] = [headers[timestampHeader], headers[signatureHeader]];
    if (typeof timestamp !== 'string' || typeof signature !== 'string') return false;
    if (!isRecent(timestamp, now)) return false;
    return (body) => isSigned(body, { timestamp, signature }, this.#secret, now);
  }
}
