import { createHmac, randomBytes } from 'node:crypto';

/** As long as what nobody finds by trying (RFC 6749 section 10.10). */
const bytes = 32;

/** 43 letters, digits, hyphens and underscores. */
export function newSecret(): string {
  return randomBytes(bytes).toString('base64url');
}

/** As what secrets are known again that were given out: whoever reads the memory of it has none of them. */
export class SecretHashes {
  readonly #key = randomBytes(bytes);

  of(secret: string): string {
    return createHmac('sha256', this.#key).update(secret).digest('base64');
  }
}
