import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { IncomingCredential } from '#src/notify/incoming-credential.ts';
import { isSigned, signatureHeader, signed, timestampHeader } from '#src/notify/signature.ts';

const now = 1_764_000_000_000;
const secret = 'between us';
const body = '{"events":[]}';

function shown(headers: Readonly<Record<string, string>>) {
  return { timestamp: headers[timestampHeader] ?? '', signature: headers[signatureHeader] ?? '' };
}

describe('the signature of events', () => {
  it('is an HMAC of the time, a dot and the body, as documented', () => {
    const headers = signed(body, secret, now);
    const hex = createHmac('sha256', secret).update(`1764000000.${body}`).digest('hex');
    assert.deepEqual(headers, {
      'x-ociregistry-timestamp': '1764000000',
      'x-ociregistry-signature': `sha256=${hex}`,
    });
  });

  it('holds for this body, this secret and this time alone, five minutes to either side', () => {
    const good = shown(signed(body, secret, now));
    const holds = (text: string, said: typeof good, by: string, at: number): boolean =>
      isSigned(Buffer.from(text), said, by, at);
    assert.equal(holds(body, good, secret, now + 299_000), true);
    assert.equal(holds(body, good, secret, now - 299_000), true);
    assert.equal(holds(body, good, secret, now + 301_000), false);
    assert.equal(holds(body, good, secret, now - 301_000), false);
    assert.equal(holds(`${body} `, good, secret, now), false);
    assert.equal(holds(body, good, 'another', now), false);
    assert.equal(holds(body, { ...good, timestamp: '1764000001' }, secret, now), false);
    for (const signature of [
      '',
      'sha256=',
      `sha256=${'0'.repeat(64)}`,
      good.signature.slice(7),
      `${good.signature}00`,
    ])
      assert.equal(holds(body, { ...good, signature }, secret, now), false, signature);
    for (const timestamp of ['', '-1', 'NaN', '1e9', '99999999999999'])
      assert.equal(holds(body, { ...good, timestamp }, secret, now), false, timestamp);
  });
});

describe('who may tell of events', () => {
  const credential = new IncomingCredential(secret);

  it('shows a signature, which is judged by the body, or the secret as a bearer token', () => {
    assert.equal(credential.judge({ authorization: 'Bearer other' }, now), false);
    assert.equal(credential.judge({ authorization: 'Bearer betweenus' }, now), false);
    assert.equal(new IncomingCredential('token').judge({ authorization: 'bearer token' }, now), true);
    const verdict = credential.judge(signed(body, secret, now), now);
    assert.ok(typeof verdict === 'function');
    assert.deepEqual([verdict(Buffer.from(body)), verdict(Buffer.from('{}'))], [true, false]);
  });

  it('is nobody whose body need not be read to know that', () => {
    assert.equal(credential.judge({}, now), false);
    assert.equal(credential.judge({ authorization: 'Basic eDp5' }, now), false);
    assert.equal(credential.judge(signed(body, secret, now - 600_000), now), false);
    assert.equal(credential.judge({ [timestampHeader]: '1764000000' }, now), false);
    assert.equal(
      credential.judge({ ...signed(body, secret, now), authorization: 'Bearer wrong' }, now),
      false,
    );
  });
});
