import { createHmac, randomBytes } from 'node:crypto';

/** Bytes. */
const keyLength = 32;

/** As what secrets are known again that were shown, or given out: whoever reads the memory of it has none of them. Good in this process alone. */
export class SecretHashes {
  readonly #key = randomBytes(keyLength);

  /** 44 characters, none of them a blank. */
  of(secret: string): string {
    return createHmac('sha256', this.#key).update(secret).digest('base64');
  }
}
