import { createPublicKey, type JsonWebKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose';
import { type VerifyingKey, verifyingKeyOf } from './signing-key.ts';

/** Of one issuer. */
const maxKeys = 100;
const pemBlock = /-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----/g;

/** The keys of an issuer, by the name and the algorithm that a token says. Rejects with what `jose` says where there is none, or more than one. */
export type IssuerKeys = JWTVerifyGetKey;

/** Of a JSON Web Key Set (RFC 7517 section 5). Throws an Error for what is none. */
export function keysOfJwks(json: unknown): IssuerKeys {
  const keys: unknown = typeof json === 'object' && json !== null && 'keys' in json ? json.keys : undefined;
  if (!Array.isArray(keys)) throw new Error('is no JSON Web Key Set');
  if (keys.length > maxKeys) throw new Error(`has more than ${maxKeys} keys`);
  const signing = keys.filter(isPublic);
  const named = createLocalJWKSet({ keys: signing } as JSONWebKeySet);
  const byLibtrust = signing.flatMap(verifyingKeysOf);
  return async (header, token) => {
    try {
      return await named(header, token);
    } catch (error) {
      // A token server of Docker's protocol calls its keys what libtrust calls them, whatever they are called where it publishes them (Keycloak).
      const found = byLibtrust.find(({ kid, algorithm }) => kid === header.kid && algorithm === header.alg);
      if (found === undefined || !(error instanceof errors.JWKSNoMatchingKey)) throw error;
      return found.publicKey;
    }
  };
}

/** Of a file: a JSON Web Key Set, or public keys and certificates in PEM. Throws an Error that says what is wrong with it. */
export function keysOfFile(text: string): IssuerKeys {
  if (!text.trimStart().startsWith('{')) return keysOfPem(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Error('is not JSON');
  }
  return keysOfJwks(json);
}

/** They have no names but what libtrust calls them; one alone of an algorithm is meant whatever a token calls it. */
function keysOfPem(text: string): IssuerKeys {
  const keys = [...text.matchAll(pemBlock)].map(([block, type = '']) =>
    verifyingKeyOf(publicKeyOf(block, type)),
  );
  if (keys.length === 0)
    throw new Error('has neither a public key nor a certificate in PEM, and is no JSON Web Key Set');
  return async ({ alg, kid }) => {
    const fitting = keys.filter(({ algorithm }) => algorithm === alg);
    const found = fitting.find((key) => key.kid === kid) ?? (fitting.length === 1 ? fitting[0] : undefined);
    if (found === undefined) throw new errors.JWKSNoMatchingKey();
    return found.publicKey;
  };
}

function publicKeyOf(block: string, type: string): KeyObject {
  if (type.includes('PRIVATE')) throw new Error('has a private key, which belongs to the issuer alone');
  try {
    return type === 'CERTIFICATE' ? new X509Certificate(block).publicKey : createPublicKey(block);
  } catch {
    throw new Error('has what is neither a public key nor a certificate');
  }
}

/** A shared secret in it would be believed by nobody: only what signs by a private key is accepted. */
function isPublic(key: unknown): key is JWK {
  return typeof key === 'object' && key !== null && 'kty' in key && key.kty !== 'oct';
}

/** None where it signs nothing that is accepted: it encrypts, or is of another kind. */
function verifyingKeysOf(key: JWK): readonly VerifyingKey[] {
  if (key.use !== undefined && key.use !== 'sig') return [];
  try {
    const found = verifyingKeyOf(createPublicKey({ key: key as JsonWebKey, format: 'jwk' }));
    return key.alg === undefined || key.alg === found.algorithm ? [found] : [];
  } catch {
    return [];
  }
}
