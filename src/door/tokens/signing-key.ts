import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import type { JWK } from 'jose';
import { stampKeyOf } from './client-stamp.ts';
import { keyId } from './key-id.ts';

type KeyAlgorithm = 'ES256' | 'RS256';

/** What tokens are verified with, which is for everybody. */
export interface VerifyingKey {
  readonly kid: string;
  readonly algorithm: KeyAlgorithm;
  readonly publicKey: KeyObject;
}

/** What tokens are signed with. Secret. */
export interface SigningKey extends VerifyingKey {
  readonly privateKey: KeyObject;
  /** As {@link stampKeyOf} makes it. */
  readonly stampKey: Uint8Array;
  /** Certificates of the key, its own first (RFC 7515 section 4.1.6). */
  readonly x5c: readonly string[] | undefined;
}

const leastRsaBits = 2048;

/**
 * Of a private key in PEM, with certificates in PEM where there are some. Throws an Error that says what is wrong, and has nothing of the key.
 */
export function signingKeyOf(pem: string, certificates?: string): SigningKey {
  const privateKey = parsed(pem);
  const key = {
    ...verifyingKeyOf(createPublicKey(privateKey)),
    privateKey,
    stampKey: stampKeyOf(privateKey),
  };
  return { ...key, x5c: certificates === undefined ? undefined : chainOf(certificates, privateKey) };
}

/** A new one, for ES256. */
export function newSigningKey(): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...verifyingKeyOf(publicKey), privateKey, stampKey: stampKeyOf(privateKey), x5c: undefined };
}

/** Throws an Error for a key that signs nothing here. */
export function verifyingKeyOf(publicKey: KeyObject): VerifyingKey {
  return { kid: keyId(publicKey), algorithm: algorithmOf(publicKey), publicKey };
}

/** As it is published (RFC 7517). */
export function publishedKey({ kid, algorithm, publicKey }: VerifyingKey): JWK {
  return { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, alg: algorithm, use: 'sig' };
}

function parsed(pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // What OpenSSL says may quote it.
    throw new Error('is no private key in PEM without a passphrase');
  }
}

function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): KeyAlgorithm {
  if (asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1') return 'ES256';
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= leastRsaBits)
    return 'RS256';
  throw new Error(
    `must be a key of the curve P-256 (ES256), or of RSA with at least ${leastRsaBits} bits (RS256)`,
  );
}

function chainOf(text: string, privateKey: KeyObject): readonly string[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  try {
    const chain = blocks.map((block) => new X509Certificate(block));
    if (chain[0]?.checkPrivateKey(privateKey) === true) return chain.map(({ raw }) => raw.toString('base64'));
  } catch {
    throw new Error('has what is no certificate');
  }
  throw new Error('its first certificate is not one of the key that signs');
}
