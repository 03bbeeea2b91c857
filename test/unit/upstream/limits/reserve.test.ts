import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { anonymous, staticCredentials } from '#src/credentials/credentials.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { putImage } from '#test/fakes/images.ts';
import { secret } from '#test/fakes/secrets.ts';
import { basicAuth, failing, headers } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const v1 = parseTag('v1');
const nobody = staticCredentials(anonymous);
const low = 'the quota is low: what is left of it is for what is not cached, cached tags are not revalidated';
const again = 'the quota is no longer low: cached tags are revalidated again';

/** A client whose upstream tells what a test says. */
async function start(accounts = 1, last = nobody) {
  const clock = new FakeClock();
  const made = await UpstreamUnderTest.start({
    clock,
    accounts: Array.from({ length: accounts }, (_, index) => ({
      user: `u${index}`,
      credentials: index === accounts - 1 ? last : nobody,
    })),
  });
  putImage(made.upstream.content, made.name, 'v1', []);
  return {
    clock,
    made,
    /** Asks once, and is told this. */
    async told(remaining: number, limit = 100) {
      made.spoil(
        headers({ 'RateLimit-Limit': `${limit};w=21600`, 'RateLimit-Remaining': `${remaining};w=21600` }),
      );
      await made.registry.resolveManifest(made.name, v1);
    },
    get admits() {
      return made.registry.admitsRevalidation();
    },
    [Symbol.asyncDispose]: async () => await made[Symbol.asyncDispose](),
  };
}

describe('the reserve of a quota', () => {
  it('is not touched by revalidations: a tenth, five at the least, and no more than half', async () => {
    const limits: [limit: number, enough: number][] = [
      [100, 10],
      [200, 20],
      [30, 5],
      [6, 3],
    ];
    for (const [limit, enough] of limits) {
      await using test = await start();
      assert.equal(test.admits, true);
      await test.told(enough, limit);
      assert.equal(test.admits, true, `${enough} of ${limit}`);
      await test.told(enough - 1, limit);
      assert.equal(test.admits, false, `${enough - 1} of ${limit}`);
    }
  });

  it('is looked at by one revalidation every five minutes', async () => {
    await using test = await start();
    await test.told(3);
    for (let probe = 0; probe < 2; probe += 1) {
      assert.equal(test.admits, false);
      await test.clock.advance(299_999);
      assert.equal(test.admits, false);
      await test.clock.advance(1);
      assert.equal(test.admits, true);
    }
    assert.equal(test.admits, false);
  });

  it('is told of when it begins to be kept and when it ends, once each', async () => {
    await using test = await start();
    await test.told(3);
    for (let asked = 0; asked < 3; asked += 1) assert.equal(test.admits, false);
    await test.told(40);
    for (let asked = 0; asked < 3; asked += 1) assert.equal(test.admits, true);
    assert.deepEqual(test.made.oddities, [low, again]);
  });

  it('is no more known when the window is over', async () => {
    await using test = await start();
    await test.told(3);
    assert.equal(test.admits, false);
    await test.clock.advance(21_600_000);
    assert.equal(test.admits, true);
    assert.equal(test.admits, true);
  });

  it('is kept only when no account has more', async () => {
    await using test = await start(2);
    await test.told(3);
    assert.equal(test.admits, true);
    await test.told(2);
    assert.equal(test.admits, false);
  });

  it('is kept also while the accounts that have more rest, and not for resting alone', async () => {
    await using test = await start(2);
    test.made.spoil(failing(429, { 'Retry-After': '60' }));
    await assert.rejects(test.made.registry.getManifest(test.made.name, v1), { status: 429 });
    assert.equal(test.admits, true);
    await test.told(3);
    assert.equal(test.admits, false);
    await test.clock.advance(60_000);
    assert.equal(test.admits, true);
  });

  it('is kept also while the account that has more is refused', async () => {
    const credential = { kind: 'basic', username: 'me', password: secret('p') } as const;
    await using test = await start(2, staticCredentials(credential));
    test.made.spoil(basicAuth('me', 'another'));
    for (const path of ['a', 'b', 'c']) {
      const name = test.made.upstream.repository(path);
      await assert.rejects(test.made.registry.getManifest(name, v1), { code: 'DENIED' });
    }
    await test.told(3);
    assert.equal(test.admits, false);
  });
});
