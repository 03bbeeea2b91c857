import { createHash } from 'node:crypto';

/** Of RFC 7636 sections 4.1 and 4.2, of what SHA-256 gives. */
const challengeForm = /^[A-Za-z0-9_-]{43}$/;
const verifierForm = /^[A-Za-z0-9._~-]{43,128}$/;

/** What may be a `code_challenge` of S256: `plain` shows the verifier to whoever reads the URL. */
export function isChallenge(challenge: string): boolean {
  return challengeForm.test(challenge);
}

/** Is it the `code_verifier` behind the challenge? */
export function isVerifierOf(challenge: string, verifier: string): boolean {
  return (
    verifierForm.test(verifier) &&
    createHash('sha256').update(verifier, 'ascii').digest('base64url') === challenge
  );
}
