import type { JWTHeaderParameters, JWTPayload } from 'jose';

/** Which `typ` tokens of an issuer may have: `any` that an access token could have, or that of RFC 9068 alone. */
export type AcceptedType = 'any' | 'at+jwt';

/** A token that was made for something else, whoever made it. */
export class NoAccessToken extends Error {
  override readonly name = 'NoAccessToken';
}

/** What ID tokens (OpenID Connect Core sections 2 and 3.3.2.11) and security events (RFC 8417 section 2.2) have, and access tokens do not. */
const ofOthers = ['at_hash', 'c_hash', 's_hash', 'events'];

/**
 * Is it one to be shown to a registry (RFC 8725 section 3.12)? A kind that is said in the header decides; where it says none, what gives an ID token away, and the kind
 * that Keycloak writes among the claims. Throws NoAccessToken: also for one that is good only with a key of its holder (RFC 7800), which nobody looks at here.
 */
export function checkAccessToken(
  { typ }: Pick<JWTHeaderParameters, 'typ'>,
  payload: JWTPayload,
  accepted: AcceptedType,
): void {
  if (payload['cnf'] !== undefined)
    throw new NoAccessToken('the token is good only with a key of its holder, which is not looked at here');
  const kind = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ;
  if (kind === 'at+jwt') return;
  const isPlain = kind === undefined || kind === 'jwt';
  if (accepted === 'at+jwt' || !isPlain || isForSomethingElse(payload))
    throw new NoAccessToken('the token is no access token');
}

function isForSomethingElse(payload: JWTPayload): boolean {
  const { typ } = payload;
  const isBearer = typ === 'Bearer';
  if (typeof typ === 'string' && !isBearer && typ !== 'JWT') return true;
  return (
    ofOthers.some((claim) => payload[claim] !== undefined) || (payload['nonce'] !== undefined && !isBearer)
  );
}
