import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectionError } from '#src/net/connection-error.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import {
  bearerChallenge,
  challenged,
  grants,
  json,
  pullOf,
  ScriptedAuth,
  tokenOrigin,
  wantsBearer,
} from '#test/fakes/scripted-auth.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const scopeOfAB = 'service=registry.example.com';

describe('a registry that wants a token', () => {
  it('is asked without one first, and then with the one that its challenge leads to', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer() });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
    assert.deepEqual(auth.asked, [`GET ?scope=repository:a/b:pull&${scopeOfAB}`]);
    assert.equal(auth.registry.unread + auth.tokens.unread, 0);
  });

  it('costs one token for fifty requests that come cold at once', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer() });
    const all = await Promise.all(Array.from({ length: 50 }, async () => await auth.get()));
    assert.ok(all.every((status) => status === 200));
    assert.equal(auth.tokens.requests.length, 1);
  });

  it('costs no more tokens and no more refusals for those that come after', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer() });
    for (let request = 0; request < 20; request += 1) await auth.get();
    assert.deepEqual(auth.carried, ['-', ...Array<string>(20).fill('Bearer t1')]);
    assert.equal(auth.tokens.requests.length, 1);
  });

  it('is given a token of its own for each repository', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer() });
    await auth.get('a/b');
    await auth.get('c');
    await auth.get('a/b');
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', '-', 'Bearer t2', 'Bearer t1']);
  });

  it('gets a new token shortly before the old one ends', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer() });
    await auth.get();
    await auth.clock.advance(290_000 - 1);
    await auth.get();
    assert.equal(auth.tokens.requests.length, 1);
    await auth.clock.advance(1);
    await auth.get();
    assert.equal(auth.tokens.requests.length, 2);
  });

  it('serves the others when the first of those who wait for a token leaves', async () => {
    const reached = gate();
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: async () => {
        await reached.wait();
        return json({ token: 't' });
      },
    });
    const client = new AbortController();
    const first = assert.rejects(auth.get('a/b', { signal: client.signal }), /client is gone/);
    await reached.reached;
    const others = Promise.all([auth.get(), auth.get()]);
    client.abort(new Error('client is gone'));
    await first;
    reached.open();
    assert.deepEqual(await others, [200, 200]);
    assert.equal(auth.tokens.requests.length, 1);
    assert.equal(auth.registry.unread, 0);
  });

  it('that refuses a token fetched just now, and again a second later, denies: 403, and the token is not kept', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer((token) => token === 't2') });
    await assert.rejects(auth.getSlowly(), { code: 'DENIED', status: 403 });
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1']);
    assert.equal(auth.registry.unread, 0);
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried.slice(3), ['-', 'Bearer t2']);
  });

  it('whose clock is behind takes a new token a second later, for all that wait with it together', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(() => auth.clock.monotonic() >= validFrom) });
    const validFrom = auth.clock.monotonic() + 900;
    const early = Array.from({ length: 10 }, async () => await auth.get());
    await auth.clock.untilSleeping();
    await auth.clock.advance(600);
    const late = auth.get();
    await auth.clock.advance(0);
    await auth.clock.advance(400);
    assert.deepEqual([...new Set(await Promise.all([...early, late]))], [200]);
    assert.equal(auth.tokens.requests.length, 1);
    assert.equal(auth.clock.sleeping, 0);
    assert.equal(auth.carried.filter((header) => header === 'Bearer t1').length, 22);
    assert.equal(auth.registry.unread, 0);
  });

  it('is sent a new token again for whoever hears of its refusal only when the second is over', async () => {
    const slow = gate();
    let isGood = false;
    const auth = new ScriptedAuth({
      registry: async (request, count) => {
        const answer = wantsBearer(() => isGood)(request, count);
        if (count === 4) await slow.wait();
        return answer;
      },
    });
    const both = [auth.get(), auth.get()];
    await slow.reached;
    await auth.clock.untilSleeping();
    isGood = true;
    await auth.clock.advance(1500);
    slow.open();
    assert.deepEqual(await Promise.all(both), [200, 200]);
    assert.deepEqual(auth.carried, ['-', '-', ...Array<string>(4).fill('Bearer t1')]);
  });

  it('is not waited for by a client that leaves', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(() => false) });
    const client = new AbortController();
    const getting = assert.rejects(auth.get('a/b', { signal: client.signal }), /gone/);
    await auth.clock.untilSleeping();
    await auth.clock.advance(0);
    assert.equal(auth.registry.unread, 0);
    client.abort(new Error('gone'));
    await getting;
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
  });

  it('that finds a new token too narrow is not sent it again', async () => {
    const narrow = (request: TransportRequest) =>
      challenged(bearerChallenge(pullOf(request), ',error="insufficient_scope"'));
    const auth = new ScriptedAuth({ registry: narrow });
    await assert.rejects(auth.get(), { code: 'DENIED' });
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
  });

  it('that refuses a kept token is given a new one at once', async () => {
    let refused = '';
    const auth = new ScriptedAuth({ registry: wantsBearer((token) => token !== refused) });
    await auth.get();
    refused = 't1';
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', 'Bearer t2']);
  });
});

describe('the scope that is asked for', () => {
  const empty = new ScriptedAuth({ registry: () => challenged(bearerChallenge()) });

  it('is the request’s own where the challenge names none (JFrog, GCR)', async () => {
    await empty.getSlowly().catch(() => undefined);
    assert.deepEqual(empty.asked, [`GET ?scope=repository:a/b:pull&${scopeOfAB}`]);
  });

  it('is the request’s own too when a kept token was refused by a challenge without scope', async () => {
    let refused = '';
    const auth = new ScriptedAuth({
      registry: ({ headers }) => {
        const sent = headers?.['authorization'];
        return sent !== undefined && sent !== refused ? { status: 200 } : challenged(bearerChallenge());
      },
      tokens: ({ url }, count) =>
        url.searchParams.has('scope') ? json({ token: `t${count}` }) : json({ token: 'good-for-nothing' }),
    });
    await auth.get();
    refused = 'Bearer t1';
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', 'Bearer t2']);
    assert.ok(auth.asked.every((query) => query.includes('scope=repository:a/b:pull')));
  });

  it('is no parameter at all where nobody names one', async () => {
    const auth = new ScriptedAuth({ registry: () => challenged(`Bearer realm="${tokenOrigin}/t?x=1"`) });
    await assert.rejects(auth.getSlowly('a/b', { scope: undefined }), { code: 'DENIED' });
    assert.deepEqual(auth.asked, ['GET ?x=1']);
  });

  it('is not named twice where the realm names it already (nvcr.io)', async () => {
    const realm = `${tokenOrigin}/proxy_auth?scope=repository:a/b:pull`;
    const auth = new ScriptedAuth({ registry: () => challenged(`Bearer realm="${realm}"`) });
    await auth.getSlowly().catch(() => undefined);
    assert.deepEqual(auth.asked, ['GET ?scope=repository:a/b:pull']);
  });

  it('is both at first, then the challenge’s alone, letter by letter, where both are refused', async () => {
    const picky = 'repository:repo-key/a/b:push,pull';
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization'] === undefined ? challenged(bearerChallenge(picky)) : { status: 200 },
      tokens: ({ url }) =>
        url.searchParams.getAll('scope').join() === picky ? json({ token: 't' }) : { status: 400 },
    });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.asked, [
      `GET ?scope=repository:a/b:pull&scope=repository:repo-key/a/b:pull,push&${scopeOfAB}`,
      `GET ?scope=${picky}&${scopeOfAB}`,
    ]);
    // What did is remembered: as a token for this repository, and as the way to ask for another.
    await auth.get();
    assert.deepEqual(auth.carried, ['-', 'Bearer t', 'Bearer t']);
    await auth.get('other');
    assert.deepEqual(auth.asked.slice(2), [`GET ?scope=${picky}&${scopeOfAB}`]);
  });

  it('is the request’s own at last, where the challenge asks for more than is granted (GHCR)', async () => {
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization'] === undefined
          ? challenged(bearerChallenge('repository:a/b:pull,push'))
          : { status: 200 },
      tokens: ({ url }) =>
        url.searchParams.getAll('scope').join() === 'repository:a/b:pull'
          ? json({ token: 't' })
          : json({ errors: [{ code: 'DENIED' }] }, 403),
    });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.asked, [
      `GET ?scope=repository:a/b:pull,push&${scopeOfAB}`,
      `GET ?scope=repository:a/b:pull&${scopeOfAB}`,
    ]);
  });

  it('does not grow for ever with what the registry asks for', async () => {
    for (const status of [401, 403]) {
      const auth = new ScriptedAuth({
        registry: (_, count) => ({
          ...challenged(bearerChallenge(`repository:r${count}:pull`, ',error="insufficient_scope"')),
          status: count === 1 ? 401 : status,
        }),
      });
      assert.equal(await auth.get(), status);
      assert.equal(auth.carried.length, status === 401 ? 4 : 3);
      assert.equal(auth.registry.unread, 0);
    }
  });

  it('grows once where the registry finds a good token too narrow (401 as SUSE, 403 by RFC 6750)', async () => {
    for (const status of [401, 403]) {
      const auth = new ScriptedAuth({
        registry: (request) => {
          const sent = request.headers?.['authorization'];
          if (sent === 'Bearer t2') return { status: 200 };
          const more = sent === undefined ? '' : ' repository:base:pull';
          const error = sent === undefined ? '' : ',error="insufficient_scope"';
          const { headers } = challenged(bearerChallenge(`${pullOf(request)}${more}`, error));
          return { status: sent === undefined ? 401 : status, headers: headers ?? {} };
        },
      });
      assert.equal(await auth.get(), 200);
      assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t2']);
      assert.match(auth.asked[1] ?? '', /scope=repository:a\/b:pull&?.*repository:base:pull/);
    }
  });
});

describe('a token server', () => {
  const failures: [
    what: string,
    tokens: Parameters<typeof json>[0] | undefined,
    status: number,
    want: object,
  ][] = [
    ['that is limited', {}, 429, { code: 'TOOMANYREQUESTS', status: 429, headers: { 'Retry-After': '7' } }],
    ['that is broken', {}, 500, { code: 'UNAVAILABLE', status: 502 }],
    ['that is unavailable', {}, 503, { code: 'UNAVAILABLE', status: 503, headers: { 'Retry-After': '7' } }],
    ['that times out', {}, 504, { code: 'UNAVAILABLE', status: 504 }],
    ['that knows nothing of the repository', {}, 404, { code: 'DENIED', status: 403 }],
    ['that refuses', {}, 401, { code: 'DENIED', status: 403 }],
    ['that forbids', {}, 403, { code: 'DENIED', status: 403 }],
    ['that gives no token', { expires_in: 5 }, 200, { code: 'DENIED', status: 403 }],
    [
      'that gives a token unfit for a header',
      { token: 'a\r\nx: y' },
      200,
      { code: 'DENIED', message: /without a token/ },
    ],
    ['that gives null', null, 200, { code: 'DENIED', status: 403 }],
    ['that serves a web page', undefined, 200, { code: 'DENIED', status: 403 }],
  ];
  for (const [what, body, status, want] of failures) {
    it(`${what} makes ${JSON.stringify(want)}`, async () => {
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: () => ({
          status,
          headers: { 'retry-after': '7' },
          body: body === undefined ? '<html>' : JSON.stringify(body),
        }),
      });
      await assert.rejects(auth.get(), want);
      assert.equal(auth.registry.unread + auth.tokens.unread, 0);
    });
  }

  it('that has no opinion of the scope is not asked for another', async () => {
    for (const status of [404, 429, 500]) {
      const auth = new ScriptedAuth({
        registry: () => challenged(bearerChallenge('repository:other:pull')),
        tokens: () => ({ status }),
      });
      await assert.rejects(auth.get());
      assert.equal(auth.tokens.requests.length, 1);
    }
  });

  it('whose answer is endless is not read to its end', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: () => json({ token: 't', padding: 'x'.repeat(200_000) }),
    });
    await assert.rejects(auth.get(), { code: 'DENIED', status: 403, message: /too large/ });
    assert.equal(auth.tokens.unread, 0);
  });

  it('that cannot be reached makes 502', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: ({ url }) => {
        throw connectionError(url, Object.assign(new Error(), { code: 'ECONNREFUSED' }));
      },
    });
    await assert.rejects(auth.get(), { code: 'UNAVAILABLE', status: 502, message: /auth\.example\.com/ });
  });

  for (const [expiresIn, seconds] of [
    [undefined, 60],
    [0, 60],
    [-5, 60],
    [null, 60],
    ['soon', 60],
    ['120', 120],
    [2, 2],
    [300, 300],
  ] as const) {
    it(`that says expires_in ${JSON.stringify(expiresIn)} means ${seconds} seconds`, async () => {
      const auth = new ScriptedAuth({ registry: wantsBearer(), tokens: grants({ expires_in: expiresIn }) });
      await auth.get();
      const margin = Math.max(1, Math.min(10, seconds / 10));
      await auth.clock.advance((seconds - margin) * 1000 - 1);
      await auth.get();
      assert.equal(auth.tokens.requests.length, 1);
      await auth.clock.advance(1);
      await auth.get();
      assert.equal(auth.tokens.requests.length, 2);
    });
  }

  it('may call the token access_token (ACR)', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), tokens: () => json({ access_token: 'a' }) });
    assert.equal(await auth.get(), 200);
    assert.equal(auth.carried.at(-1), 'Bearer a');
  });

  it('must be one that is trusted, if any are named', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), trustedRealms: ['other.example.com'] });
    await assert.rejects(auth.get(), { code: 'DENIED', message: /trustedRealms/ });
    assert.equal(auth.tokens.requests.length, 0);
  });
});
