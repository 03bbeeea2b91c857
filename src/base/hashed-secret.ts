import { createHash, timingSafeEqual } from 'node:crypto';

/** A secret of which a hash is kept: what is shown is compared in a time that says nothing of either. */
export class HashedSecret {
  readonly #hash: Buffer;

  constructor(secret: string) {
    this.#hash = hashOf(secret);
  }

  is(shown: string): boolean {
    return timingSafeEqual(hashOf(shown), this.#hash);
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
