import { createHash } from 'node:crypto';

/** Of the hash of a password as it stands in the file: a token with it is good as long as the entry is the same. Nobody comes back from it to the hash. */
export function stampOf(hash: string): string {
  return createHash('sha256').update(`refresh\0${hash}`).digest('base64url');
}
