import { createHmac, hkdfSync, type KeyObject } from 'node:crypto';

/** A program and its secret, as far as its tokens depend on it. Secret. */
export interface StampedClient {
  readonly client: string;
  /** Undefined: a public client has none. */
  readonly secret: string | undefined;
}

/**
 * What stamps are made with, as long as tokens are signed with this: whoever signs makes it anew, in another directory too, and whoever only checks cannot.
 * Secret.
 */
export function stampKeyOf(signing: KeyObject | Uint8Array): Buffer {
  const bytes = signing instanceof Uint8Array ? signing : signing.export({ format: 'der', type: 'pkcs8' });
  return Buffer.from(hkdfSync('sha256', bytes, '', 'ociregistry: stamps of clients', 32));
}

/** Stands in the tokens of a client, and is another one when its secret is. With a key: a short secret would else be found from a token by trying. */
export function clientStamp(stampKey: Uint8Array, { client, secret }: StampedClient): string {
  return createHmac('sha256', stampKey)
    .update(JSON.stringify([client, secret ?? null]))
    .digest('base64url');
}
