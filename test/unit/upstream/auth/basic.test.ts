import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Credential, staticCredential, staticCredentials } from '#src/credentials/credentials.ts';
import { RegistryError } from '#src/oci/error.ts';
import { Scope } from '#src/oci/scope.ts';
import {
  bearerChallenge,
  challenged,
  json,
  pullOf,
  ScriptedAuth,
  wantsBearer,
} from '#test/fakes/scripted-auth.ts';
import type { AnswerScript } from '#test/fakes/scripted-transport.ts';
import { secret } from '#test/fakes/secrets.ts';

const basic: Credential = { kind: 'basic', username: 'u', password: secret('p:ä') };
const header = `Basic ${Buffer.from(`u:${secret('p:ä')}`).toString('base64')}`;

/** A registry that takes these Authorization headers, and has these challenges for all others. */
function takes(headers: readonly string[], challenges: string): AnswerScript {
  return (request) =>
    headers.includes(request.headers?.['authorization'] ?? '') ? { status: 200 } : challenged(challenges);
}

describe('a registry that wants user and password', () => {
  it('is sent them after its challenge, and from then on at once', async () => {
    const auth = new ScriptedAuth({ registry: takes([header], 'BASIC realm="Nexus"'), credential: basic });
    assert.equal(await auth.get(), 200);
    assert.equal(await auth.get('other'), 200);
    assert.deepEqual(auth.carried, ['-', header, header]);
    assert.equal(auth.registry.unread, 0);
  });

  it('answers 401 after one request where there are none', async () => {
    const auth = new ScriptedAuth({ registry: takes([], 'Basic realm="x"') });
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, ['-']);
  });

  it('that refuses them is not sent them again for a minute (GitLab locks addresses out)', async () => {
    const auth = new ScriptedAuth({ registry: takes([], 'Basic realm="x"'), credential: basic });
    assert.equal(await auth.get(), 401);
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, ['-', header, '-']);
    await auth.clock.advance(60_000);
    await auth.get();
    assert.deepEqual(auth.carried.slice(3), [header]);
  });

  it('is sent new ones at once though the old were refused', async () => {
    const auth = new ScriptedAuth({ registry: takes([header], 'Basic realm="x"') });
    auth.credential = { ...basic, password: secret('old') };
    assert.equal(await auth.get(), 401);
    auth.credential = basic;
    assert.equal(await auth.get(), 200);
    assert.equal(auth.carried.at(-1), header);
  });
});

describe('a token server that wants user and password', () => {
  it('gets them, and the registry gets the token alone', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), credential: basic });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
    assert.equal(auth.tokens.requests[0]?.headers?.['authorization'], header);
  });

  it('that refuses them is not sent them again for a minute', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: () => ({ status: 401 }),
      credential: basic,
    });
    await assert.rejects(auth.get(), { code: 'DENIED' });
    await assert.rejects(auth.get(), { code: 'DENIED', message: /refused .* a moment ago/ });
    assert.equal(auth.tokens.requests.length, 1);
    await auth.clock.advance(60_000);
    await assert.rejects(auth.get(), { code: 'DENIED' });
    assert.equal(auth.tokens.requests.length, 2);
  });

  it('is not shown those of a registry over plain http that names it', async () => {
    const url = new URL('http://registry.example.com/v2/a/manifests/v1');
    const realm = 'Bearer realm="http://elsewhere.example.com/token"';
    const auth = new ScriptedAuth({
      registry: ({ headers }) => (headers?.['authorization'] ? { status: 200 } : challenged(realm)),
      credential: basic,
      origin: url,
    });
    assert.equal(await auth.get('a', { url }), 200);
    assert.equal(auth.tokens.requests[0]?.headers?.['authorization'], undefined);
  });
});

describe('a token server without GET', () => {
  const form =
    'POST grant_type=password&username=u&password=p:ä&client_id=ociregistry&service=registry.example.com';
  /** Takes user and password from a form only. */
  const posts =
    (status: number): AnswerScript =>
    ({ method }, count) =>
      method === 'POST' ? json({ access_token: `t${count}`, expires_in: 300 }) : { status };

  for (const status of [404, 405]) {
    it(`that says ${status} is sent user and password in a form, and from then on at once for an hour`, async () => {
      const auth = new ScriptedAuth({ registry: wantsBearer(), tokens: posts(status), credential: basic });
      for (const path of ['a', 'b', 'c']) assert.equal(await auth.get(path), 200);
      const get = (path: string) => `GET ?scope=repository:${path}:pull&service=registry.example.com`;
      const post = (path: string) => `${form}&scope=repository:${path}:pull`;
      assert.deepEqual(auth.asked, [get('a'), post('a'), post('b'), post('c')]);
      assert.ok(
        auth.tokens.requests.every(
          ({ method, headers }) => (method === 'POST') === (headers?.['authorization'] === undefined),
        ),
      );
      await auth.clock.advance(3_600_000);
      await auth.get('d');
      assert.deepEqual(auth.asked.slice(4), [get('d'), post('d')]);
    });
  }

  it('is sent all scopes in one parameter', async () => {
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization'] === undefined
          ? challenged(bearerChallenge('repository:base:pull'))
          : { status: 200 },
      tokens: posts(405),
      credential: basic,
    });
    assert.equal(await auth.get('a'), 200);
    assert.equal(
      auth.tokens.requests[1]?.body?.split('&scope=')[1],
      'repository%3Aa%3Apull+repository%3Abase%3Apull',
    );
  });

  it('is sent those of a ready Basic header too', async () => {
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization']?.startsWith('Bearer') === true
          ? { status: 200 }
          : challenged(bearerChallenge('repository:a:pull')),
      tokens: posts(404),
      credential: staticCredential(header),
    });
    assert.equal(await auth.get('a'), 200);
    assert.equal(auth.asked[1], `${form}&scope=repository:a:pull`);
  });

  it('is sent no form where there is no password', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), tokens: posts(404) });
    await assert.rejects(auth.get(), { code: 'DENIED', message: /answered 404/ });
    assert.equal(auth.tokens.requests.length, 1);
  });

  it('that refuses the form has them rest like any other', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: ({ method }) => ({ status: method === 'POST' ? 401 : 404 }),
      credential: basic,
    });
    await assert.rejects(auth.get(), { code: 'DENIED', message: /answered 401/ });
    await assert.rejects(auth.get(), { code: 'DENIED', message: /a moment ago/ });
    assert.equal(auth.tokens.requests.length, 2);
  });

  it('that has GET again is asked so from then on', async () => {
    let way = 'POST';
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: ({ method }, count) =>
        method === way ? json({ token: `t${count}`, expires_in: 300 }) : { status: 405 },
      credential: basic,
    });
    await auth.get('a');
    way = 'GET';
    await auth.get('b');
    await auth.get('c');
    assert.deepEqual(
      auth.tokens.requests.map(({ method }) => method),
      ['GET', 'POST', 'POST', 'GET', 'GET'],
    );
  });
});

describe('a registry that offers both schemes', () => {
  const both = `${bearerChallenge('repository:a/b:pull')}, Basic realm="x"`;

  it('is sent user and password, if there are any', async () => {
    const auth = new ScriptedAuth({ registry: takes([header], both), credential: basic });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', header]);
    assert.equal(auth.tokens.requests.length, 0);
  });

  it('is sent a token after it refused them', async () => {
    const auth = new ScriptedAuth({ registry: takes(['Bearer t1'], both), credential: basic });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', header, 'Bearer t1']);
  });

  it('is sent a token where there are none', async () => {
    const auth = new ScriptedAuth({ registry: takes(['Bearer t1'], both) });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
  });

  it('is asked four times at most', async () => {
    const auth = new ScriptedAuth({
      registry: (_, count) => challenged(`${both}, x="${count}"`),
      credential: basic,
    });
    await auth.getSlowly().catch(() => undefined);
    assert.equal(auth.carried.length, 4);
    assert.equal(auth.registry.unread, 0);
  });
});

describe('a registry that changes its mind', () => {
  it('is met anew where its challenge names another scheme (Harbor)', async () => {
    let wants: AnswerScript = wantsBearer();
    const auth = new ScriptedAuth({ registry: (request, count) => wants(request, count), credential: basic });
    assert.equal(await auth.get(), 200);
    wants = takes([header], 'Basic realm="harbor"');
    assert.equal(await auth.get(), 200);
    wants = wantsBearer((token) => token === 't2');
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', header, header, 'Bearer t2']);
  });

  it('is asked bare where it sends a stale token’s bearer elsewhere (nvcr.io)', async () => {
    let stale = '';
    const elsewhere = 'Bearer realm="https://authn.example.org/token",error="invalid_token"';
    const auth = new ScriptedAuth({
      registry: (request) => {
        const sent = request.headers?.['authorization'];
        if (sent === undefined) return challenged(bearerChallenge(pullOf(request)));
        return sent === stale ? challenged(elsewhere) : { status: 200 };
      },
    });
    await auth.get();
    stale = 'Bearer t1';
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', '-', 'Bearer t2']);
    assert.ok(auth.tokens.requests.every(({ url }) => url.host === 'auth.example.com'));
  });

  it('is asked bare once where its 401 names no scheme that is known', async () => {
    for (const answer of [
      { status: 401 },
      challenged('Negotiate, Digest realm="x"'),
      challenged('Bearer service="x"'),
    ]) {
      const auth = new ScriptedAuth({
        registry: ({ headers }) => (headers?.['authorization'] === 'Bearer s' ? answer : { status: 200 }),
        credential: staticCredential(`Bearer ${secret('s')}`),
      });
      assert.equal(await auth.get(), 200);
      assert.deepEqual(auth.carried, ['Bearer s', '-']);
    }
  });

  it('is asked once where it said 401 without a challenge to a bare request', async () => {
    const auth = new ScriptedAuth({ registry: () => ({ status: 401 }), credential: basic });
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, ['-']);
  });

  it('is asked bare where it says 400 to a token that has ended (ECR public)', async () => {
    let stale = '';
    const auth = new ScriptedAuth({
      registry: (request, count) => {
        if (request.headers?.['authorization'] === stale) return { status: 400 };
        return wantsBearer()(request, count);
      },
    });
    await auth.get();
    stale = 'Bearer t1';
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', '-', 'Bearer t2']);
  });

  it('is not asked again where it says 400 to a fresh token', async () => {
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization'] === undefined ? challenged(bearerChallenge('aws')) : { status: 400 },
    });
    assert.equal(await auth.get(), 400);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1']);
  });
});

describe('a static credential', () => {
  it('is sent with the first request already', async () => {
    const auth = new ScriptedAuth({
      registry: takes(['Basic QVdTOng='], 'Basic realm="x"'),
      credential: staticCredential('QVdTOng='),
    });
    assert.equal(await auth.get(), 200);
    assert.deepEqual(auth.carried, ['Basic QVdTOng=']);
  });

  it('is sent once where it is refused', async () => {
    const auth = new ScriptedAuth({
      registry: takes([], 'Basic realm="x"'),
      credential: staticCredential('QVdTOng='),
    });
    assert.equal(await auth.get(), 401);
    assert.deepEqual(auth.carried, ['Basic QVdTOng=']);
  });
});

describe('credentials by repository', () => {
  it('have tokens of their own, though a token reaches to the other’s repository', async () => {
    const of = (username: string) => staticCredentials({ kind: 'basic', username, password: secret('p') });
    const users = { a: of('one'), b: of('other') };
    const auth = new ScriptedAuth({
      registry: ({ headers }) =>
        headers?.['authorization'] === undefined ? challenged(bearerChallenge('*')) : { status: 200 },
      of: async (repository) => (repository === 'b' ? users.b : users.a),
    });
    for (const path of ['a', 'b', 'a/c', 'b']) {
      assert.equal(await auth.get(path, { repository: path, scope: Scope.parse('*') }), 200);
    }
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', '-', 'Bearer t2', 'Bearer t1', 'Bearer t2']);
    assert.deepEqual(
      auth.tokens.requests.map(({ headers }) => headers?.['authorization']),
      ['one', 'other'].map((user) => `Basic ${btoa(`${user}:${secret('p')}`)}`),
    );
  });
});

describe('another origin that a redirect led to', () => {
  it('is met as a stranger: no user, no password, no token of the registry', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), credential: basic });
    await auth.get();
    const url = new URL('https://elsewhere.example.org/v2/a/b/manifests/v1');
    assert.equal(await auth.get('a/b', { url }), 200);
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', '-', 'Bearer t2']);
    assert.deepEqual(
      auth.tokens.requests.map(({ headers }) => headers?.['authorization']),
      [header, undefined],
    );
  });
});

describe('a refresh token', () => {
  const refresh: Credential = { kind: 'refresh', token: secret('r') };

  it('is exchanged by POST, and before the registry asks again', async () => {
    const auth = new ScriptedAuth({ registry: wantsBearer(), credential: refresh });
    await auth.get('a');
    await auth.get('b');
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t2']);
    assert.deepEqual(
      auth.tokens.requests.map(({ method, body }) => `${method} ${body}`),
      ['a', 'b'].map(
        (name) =>
          `POST grant_type=refresh_token&refresh_token=${secret('r')}&client_id=ociregistry&service=registry.example.com` +
          `&scope=repository%3A${name}%3Apull`,
      ),
    );
    assert.equal(auth.tokens.requests[0]?.headers?.['content-type'], 'application/x-www-form-urlencoded');
  });

  for (const status of [404, 405]) {
    it(`is left out where the token server answers a POST with ${status}`, async () => {
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: ({ method }) => (method === 'POST' ? { status } : json({ token: 't' })),
        credential: refresh,
      });
      assert.equal(await auth.get(), 200);
    });
  }

  for (const status of [400, 401]) {
    it(`that is refused by ${status} denies: without it we are somebody else`, async () => {
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: () => ({ status }),
        credential: refresh,
      });
      await assert.rejects(auth.get(), { code: 'DENIED' });
      assert.ok(auth.tokens.requests.every(({ method }) => method === 'POST'));
    });
  }

  for (const credential of [basic, undefined]) {
    const who = credential === undefined ? 'nobody' : 'a user';
    it(`that ${who} was given is used, and forgotten when it is refused`, async () => {
      let refused = false;
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: ({ method }, count) => {
          if (method === 'POST' && refused) return { status: 401 };
          return json({ token: `t${count}`, ...(method === 'GET' && { refresh_token: 'learned' }) });
        },
        ...(credential && { credential }),
      });
      await auth.get('a');
      await auth.get('b');
      refused = true;
      assert.deepEqual(await Promise.all([auth.get('c'), auth.get('d')]), [200, 200]);
      assert.deepEqual(
        auth.tokens.requests.map(({ method }) => method),
        ['GET', 'POST', 'POST', 'POST', 'GET', 'GET'],
      );
      refused = false;
      await auth.get('e');
      assert.equal(auth.tokens.requests.at(-1)?.method, 'POST');
    });
  }

  for (const [what, cut] of [
    ['ends too soon', { status: 200, body: '{"token": "t' }],
    ['breaks off', new RegistryError('UNAVAILABLE', 'cut', { status: 502 })],
  ] as const)
    it(`is not sent again when the answer to it ${what}: it may have been good once`, async () => {
      const auth = new ScriptedAuth({
        registry: wantsBearer(),
        tokens: ({ method }, count) => {
          if (method === 'GET') return json({ token: `t${count}`, refresh_token: 'learned' });
          if (cut instanceof Error) throw cut;
          return cut;
        },
        credential: basic,
      });
      await auth.get('a');
      await auth.get('b').catch(() => undefined);
      assert.equal(await auth.get('b'), 200);
      assert.deepEqual(
        auth.tokens.requests.map(({ method }) => method),
        ['GET', 'POST', 'GET'],
      );
      assert.equal(auth.tokens.requests[1]?.once, true);
    });

  it('is replaced by the one that the token server gives with a token', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: (_, count) => json({ token: `t${count}`, refresh_token: `r${count}` }),
    });
    for (const path of ['a', 'b', 'c']) await auth.get(path);
    assert.deepEqual(
      auth.tokens.requests.map(({ body }) => new URLSearchParams(body).get('refresh_token')),
      [null, secret('r1'), secret('r2')],
    );
  });
});

describe('another credential than before', () => {
  it('is given none of the tokens, nor the refresh token, that were had with the old', async () => {
    const auth = new ScriptedAuth({
      registry: wantsBearer(),
      tokens: (_, count) => json({ token: `t${count}`, expires_in: 300, refresh_token: 'learned' }),
      credential: basic,
    });
    await auth.get();
    await auth.get();
    auth.credential = { ...basic, username: 'other' };
    await auth.get();
    assert.deepEqual(auth.carried, ['-', 'Bearer t1', 'Bearer t1', '-', 'Bearer t2']);
    assert.deepEqual(
      auth.tokens.requests.map(({ method, headers }) => `${method} ${headers?.['authorization']}`),
      [`GET ${header}`, `GET Basic ${Buffer.from(`other:${secret('p:ä')}`).toString('base64')}`],
    );
  });
});
