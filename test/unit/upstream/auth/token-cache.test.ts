import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Scope } from '#src/oci/scope.ts';
import { own } from '#src/oci/wording.ts';
import { type Token, TokenCache } from '#src/upstream/auth/token-cache.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const clock = new FakeClock();
const x = Scope.pull('x');
const xyz = Scope.parse('repository:x:pull repository:y:pull repository:z:pull');
const xAndY = Scope.parse('repository:x:pull repository:y:pull');

function token(value: string, covers: Scope, seconds = 300): Token {
  const receivedAt = clock.monotonic();
  return {
    value,
    asked: covers,
    covers,
    receivedAt,
    expiresAt: receivedAt + seconds * 1000,
    source: '',
    who: own('without credentials'),
  };
}

async function cacheOf(...tokens: Token[]): Promise<TokenCache> {
  const cache = new TokenCache(clock);
  for (const [at, each] of tokens.entries()) await cache.fetch(String(at), async () => each);
  return cache;
}

describe('the token cache', () => {
  it('gives the narrowest token that covers what is needed', async () => {
    for (const tokens of [
      [token('wide', xyz), token('narrow', xAndY)],
      [token('narrow', xAndY), token('wide', xyz)],
    ]) {
      const cache = await cacheOf(...tokens);
      assert.equal(cache.find(x)?.value, 'narrow');
      assert.equal(cache.find(Scope.pull('z'))?.value, 'wide');
      assert.equal(cache.find(Scope.pull('other')), undefined);
    }
  });

  for (const [seconds, good] of [
    [300, 290],
    [60, 54],
    [5, 4],
  ] as const) {
    it(`does not use the last moments of a token that lives ${seconds} seconds`, async () => {
      const cache = await cacheOf(token('t', x, seconds));
      await clock.advance(good * 1000 - 1);
      assert.equal(cache.find(x)?.value, 't');
      await clock.advance(1);
      assert.equal(cache.find(x), undefined);
    });
  }

  it('fetches once for all who come meanwhile, and again afterwards', async () => {
    const cache = new TokenCache(clock);
    const answer = Promise.withResolvers<Token>();
    let fetches = 0;
    const fetch = async () => {
      fetches += 1;
      return await answer.promise;
    };
    const waiting = [cache.fetch('k', fetch), cache.fetch('k', fetch)];
    const other = cache.fetch('other', fetch);
    answer.resolve(token('t', x));
    for (const got of await Promise.all([...waiting, other])) assert.equal(got.value, 't');
    assert.equal(fetches, 2);
    await cache.fetch('k', fetch);
    assert.equal(fetches, 3);
  });

  it('gives a failure to all who wait and keeps nothing of it', async () => {
    const cache = new TokenCache(clock);
    const fetch = async () => await Promise.reject<Token>(new Error('down'));
    const results = await Promise.allSettled([cache.fetch('k', fetch), cache.fetch('k', fetch)]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.equal((await cache.fetch('k', async () => token('t', x))).value, 't');
  });

  it('forgets a refused token under every scope that it was kept for', async () => {
    const cache = await cacheOf(token('t', x), token('t', xAndY), token('u', Scope.pull('y')));
    cache.drop('t');
    assert.equal(cache.find(x), undefined);
    assert.equal(cache.find(Scope.pull('y'))?.value, 'u');
  });

  it('takes nothing in that was begun before it was cleared', async () => {
    const cache = new TokenCache(clock);
    const answer = Promise.withResolvers<Token>();
    const before = cache.fetch('k', async () => await answer.promise);
    cache.clear();
    const after = cache.fetch('k', async () => token('new', Scope.pull('y')));
    answer.resolve(token('old', x));
    assert.equal((await before).value, 'old');
    assert.equal((await after).value, 'new');
    assert.equal(cache.find(x), undefined);
  });

  it('holds a thousand tokens at most', async () => {
    const cache = new TokenCache(clock);
    for (let at = 0; at <= 1000; at += 1) {
      await cache.fetch(String(at), async () => token(String(at), Scope.pull(`r${at}`)));
    }
    assert.equal(cache.find(Scope.pull('r0')), undefined);
    assert.equal(cache.find(Scope.pull('r1'))?.value, '1');
    assert.equal(cache.find(Scope.pull('r1000'))?.value, '1000');
  });
});
