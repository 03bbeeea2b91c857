import { randomBytes } from 'node:crypto';

/** As long as what nobody finds by trying (RFC 6749 section 10.10). */
const bytes = 32;

/** 43 letters, digits, hyphens and underscores. */
export function newSecret(): string {
  return randomBytes(bytes).toString('base64url');
}
