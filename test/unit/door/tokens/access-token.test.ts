import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type AcceptedType, checkAccessToken, NoAccessToken } from '#src/door/tokens/access-token.ts';

function isTaken(typ: unknown, payload: object = {}, accepted: AcceptedType = 'any'): boolean {
  try {
    checkAccessToken({ typ } as never, { sub: 'u', ...payload }, accepted);
    return true;
  } catch (error) {
    assert.ok(error instanceof NoAccessToken);
    return false;
  }
}

describe('a token of somebody else', () => {
  it('may be of no kind, a JWT, or an access token, however that is written', () => {
    for (const typ of [undefined, 'JWT', 'jwt', 'application/jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt'])
      assert.equal(isTaken(typ), true, String(typ));
    for (const typ of ['refresh+jwt', 'logout+jwt', 'dpop+jwt', 'secevent+jwt', 'JOSE', '', 7, null, {}])
      assert.equal(isTaken(typ), false, String(typ));
  });

  it('is refused where it gives itself away as one for something else', () => {
    for (const payload of [
      { at_hash: 'x' },
      { c_hash: 'x' },
      { s_hash: 'x' },
      { nonce: 'x' },
      { events: {} },
      { typ: 'ID' },
      { typ: 'Refresh' },
      { typ: 'Offline' },
      { typ: 'Logout' },
      { typ: 'Bearer', at_hash: 'x' },
    ])
      assert.equal(isTaken('JWT', payload), false, JSON.stringify(payload));
    for (const payload of [{}, { typ: 'Bearer' }, { typ: 'Bearer', nonce: 'x' }, { typ: 7 }])
      assert.equal(isTaken('JWT', payload), true, JSON.stringify(payload));
    assert.equal(isTaken('at+jwt', { nonce: 'x' }), true);
  });

  it('is of RFC 9068 where nothing else is taken', () => {
    assert.equal(isTaken('at+jwt', {}, 'at+jwt'), true);
    for (const typ of [undefined, 'JWT']) assert.equal(isTaken(typ, {}, 'at+jwt'), false);
  });

  it('is refused where it is good only with a key of its holder, of whatever kind it is', () => {
    for (const typ of [undefined, 'JWT', 'at+jwt']) assert.equal(isTaken(typ, { cnf: { jkt: 'x' } }), false);
  });
});
