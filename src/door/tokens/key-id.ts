import { createHash, createPublicKey, type KeyObject } from 'node:crypto';

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/**
 * The name of a key, by its public half: what libtrust calls it, by which docker-registry 2.8 finds it among its `rootcertbundle` (30 bytes of the
 * SHA-256 of its SubjectPublicKeyInfo, in base32, four letters at a time). To all others it is any name.
 */
export function keyId(key: KeyObject): string {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  const hash = createHash('sha256')
    .update(publicKey.export({ format: 'der', type: 'spki' }))
    .digest();
  return base32(hash.subarray(0, 30)).replace(/(.{4})(?=.)/g, '$1:');
}

/** RFC 4648 section 6, of five bytes and their multiples. */
function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return bits.replace(/.{5}/g, (five) => letters.charAt(Number.parseInt(five, 2)));
}
