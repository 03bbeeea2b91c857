import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Identification } from '#src/door/identity/identification.ts';
import type { Proof } from '#src/door/identity/proof.ts';
import { RegistryError } from '#src/oci/error.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

/** All are right; a token names these groups. */
function believing(groups: readonly string[] = []) {
  const proof = (by: 'password' | 'foreignToken', id: string): Proof => ({
    ...{ known: { id, by, groups: by === 'foreignToken' ? groups : [] }, holds: () => true },
    ...{ forMs: 60_000, renewed: by === 'password' },
  });
  const identification = new Identification({
    clock: new FakeClock(),
    schemes: {
      basic: async (shown) => proof('password', shown),
      bearer: async (shown) => proof('foreignToken', shown),
    },
  });
  const shows = (authorization: string) =>
    identification.identify(
      { address: '192.0.2.1', authorization },
      (_, why) => new RegistryError('UNAUTHORIZED', why),
    );
  /** At once, that is. */
  const isRemembered = (authorization: string): boolean => !(shows(authorization) instanceof Promise);
  return { shows, isRemembered };
}

describe('who was right', () => {
  it('with a password stays remembered, however many tokens come', async () => {
    const { shows, isRemembered } = believing();
    await shows('Basic YTph');
    for (let at = 0; at <= 10_000; at += 1) await shows(`Bearer ${at}`);
    assert.equal(isRemembered('Bearer 10000'), true);
    assert.equal(isRemembered('Bearer 0'), false);
    assert.equal(isRemembered('Basic YTph'), true);
  });

  it('is remembered within some megabytes, however long his groups are', async () => {
    const groups = Array.from({ length: 100 }, (_, at) => `group ${at} ${'x'.repeat(100)}`);
    const { shows, isRemembered } = believing(groups);
    for (let at = 0; at < 1000; at += 1) await shows(`Bearer ${at}`);
    const remembered = Array.from({ length: 1000 }, (_, at) => `Bearer ${999 - at}`).filter(isRemembered);
    assert.ok(remembered.length > 100 && remembered.length < 400, String(remembered.length));
    assert.ok(remembered.includes('Bearer 999'));
  });

  it('with more than there is room for is known all the same', async () => {
    const { shows, isRemembered } = believing(['x'.repeat(5_000_000)]);
    assert.partialDeepStrictEqual(await shows('Bearer a'), { id: 'a', by: 'foreignToken' });
    assert.equal(isRemembered('Bearer a'), false);
  });
});
