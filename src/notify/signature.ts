import { createHmac, timingSafeEqual } from 'node:crypto';

/** Seconds since the epoch when it was signed; in lower case, as headers are read. */
export const timestampHeader = 'x-ociregistry-timestamp';
/** `sha256=` and the HMAC in hex of the timestamp, a dot and the body. */
export const signatureHeader = 'x-ociregistry-signature';

/** What is believed of a clock of somebody else's, and how long a signature may be shown again. Seconds. */
const windowSeconds = 300;

/** The headers that show that the body is from who has the secret, and when it was sent. `now` in milliseconds since the epoch. */
export function signed(body: string, secret: string, now: number): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(now / 1000));
  return {
    [timestampHeader]: timestamp,
    [signatureHeader]: `sha256=${hmacOf(secret, timestamp, Buffer.from(body)).toString('hex')}`,
  };
}

/** Was it signed with the secret, and lately? In a time that says nothing of the secret. */
export function isSigned(
  body: Uint8Array,
  { timestamp, signature }: { readonly timestamp: string; readonly signature: string },
  secret: string,
  now: number,
): boolean {
  const [, hex] = /^sha256=([0-9a-f]{64})$/.exec(signature) ?? [];
  if (hex === undefined || !isRecent(timestamp, now)) return false;
  return timingSafeEqual(Buffer.from(hex, 'hex'), hmacOf(secret, timestamp, body));
}

/** To be looked at before a body is read. */
export function isRecent(timestamp: string, now: number): boolean {
  return /^\d{1,12}$/.test(timestamp) && Math.abs(now / 1000 - Number(timestamp)) <= windowSeconds;
}

function hmacOf(secret: string, timestamp: string, body: Uint8Array): Buffer {
  return createHmac('sha256', secret).update(`${timestamp}.`).update(body).digest();
}
