import { errors } from 'jose';
import { NoAccessToken } from './access-token.ts';
import { UnknownKey } from './signed-tokens.ts';

/** Why a token is not believed, in words that have nothing of it; undefined: that is not its fault. */
export function faultOfToken(error: unknown): string | undefined {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token is not for here, or not for now (${named(error.claim)})`;
  if (error instanceof NoAccessToken) return error.message;
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'the token is signed by an algorithm that is not taken here';
  if (error instanceof UnknownKey || error instanceof errors.JWKSNoMatchingKey)
    return 'the token is signed with a key that is not known here';
  return error instanceof errors.JOSEError || error instanceof TypeError || error instanceof SyntaxError
    ? 'the token is not valid'
    : undefined;
}

/** Claims that we ask for, and no word of the token. */
function named(claim: string): string {
  return ['iss', 'aud', 'nbf', 'exp', 'iat', 'sub', 'typ'].includes(claim) ? claim : 'a claim';
}
