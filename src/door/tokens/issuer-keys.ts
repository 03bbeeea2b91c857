import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { verifyingKeyOf } from './signing-key.ts';

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
  return createLocalJWKSet({ keys: keys.filter(isPublic) } as JSONWebKeySet);
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
function isPublic(key: unknown): boolean {
  return typeof key === 'object' && key !== null && 'kty' in key && key.kty !== 'oct';
}
