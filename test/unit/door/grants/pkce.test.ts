import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isChallenge, isVerifierOf } from '#src/door/grants/pkce.ts';

/** Of RFC 7636, appendix B. */
const verifier = 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk';
const challenge = 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM';

describe('a code challenge', () => {
  it('is the hash of its verifier', () => {
    assert.ok(isChallenge(challenge));
    assert.ok(isVerifierOf(challenge, verifier));
    for (const other of ['', challenge, `${verifier}x`, verifier.slice(1), verifier.toLowerCase()])
      assert.ok(!isVerifierOf(challenge, other), other);
  });

  it('has the form of one, and its verifier too', () => {
    for (const none of [
      '',
      verifier.slice(1),
      `${challenge}=`,
      `${challenge}\n`,
      challenge.replace('-', '+'),
    ])
      assert.ok(!isChallenge(none), none);
    // The hash is right, the verifier is none (RFC 7636 section 4.1).
    assert.ok(!isVerifierOf('ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0', 'abc'));
  });
});
