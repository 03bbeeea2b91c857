import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { asked, posted, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

const id = '000000';
const odd = 'odd id:&%';
const plain = '000001';
const clientSecret = secret('of a client: +&%ü');
const shared = secret('that-is-shared-and-long-enough');

async function oauthApp(
  directory: string,
  algorithm: 'HS256' | 'ES256',
  {
    secretOf = clientSecret,
    isThere = true,
    ...options
  }: { secretOf?: string; isThere?: boolean; imagePath?: string; more?: object; clock?: FakeClock } = {},
): Promise<TokenApp> {
  const file = async (name: string, text: string): Promise<string> => {
    await writeFile(join(directory, name), text);
    return join(directory, name);
  };
  const secretFile = await file('client', secretOf);
  const signing =
    algorithm === 'HS256' ? { algorithm, secretFile: await file('shared', shared) } : { algorithm };
  const clients = [
    ...(isThere ? [{ id, secretFile, scopes: ['my-scope', 'repository:team/a:pull'] }] : []),
    { id: odd, secretFile, scopes: [] },
    { id: plain, secretFile, scopes: ['my-scope'] },
  ];
  return await tokenApp({ basic: undefined, tokenService: undefined, oauth: { clients, signing } }, options);
}

describe('a program with a secret of its own', () => {
  let server: TokenApp;
  let resources: AsyncDisposableStack;
  before(async () => {
    resources = new AsyncDisposableStack();
    const { path } = resources.use(await temporaryDirectory());
    server = resources.use(await oauthApp(path, 'HS256'));
  });
  after(async () => await resources.disposeAsync());

  const grant = { grant_type: 'client_credentials' };
  const token = async (
    fields: Readonly<Record<string, string>>,
    headers?: Readonly<Record<string, string>>,
  ) => await posted(`${server.url}/token`, fields, headers);
  const form = (text: string): string => new URLSearchParams({ '': text }).toString().slice(1);

  it('gets a token that whoever shares the secret can check, and comes in with it', async () => {
    const { status, body, headers } = await token({ ...grant, client_id: id, client_secret: clientSecret });
    assert.equal(status, 200);
    assert.deepEqual([headers.get('cache-control'), headers.get('pragma')], ['no-store', 'no-cache']);
    const { access_token: access, ...rest } = body;
    assert.deepEqual(rest, {
      token_type: 'Bearer',
      expires_in: 7200,
      scope: 'my-scope repository:team/a:pull',
    });
    const [header = '', payload = '', signature] = String(access).split('.');
    assert.equal(createHmac('sha256', shared).update(`${header}.${payload}`).digest('base64url'), signature);
    assert.partialDeepStrictEqual(decodeJwt(String(access)), { sub: id, aud: id, client_id: id });
    const bearer = { authorization: `Bearer ${String(access)}` };
    assert.equal((await asked(`${server.url}/v2/`, { headers: bearer })).status, 200);
    // Its scope names a repository: it is good for that alone.
    assert.equal((await asked(`${server.url}/v2/team/a/manifests/v1`, { headers: bearer })).status, 404);
    assert.equal((await asked(`${server.url}/v2/team/b/manifests/v1`, { headers: bearer })).status, 401);
  });

  it('shows itself in the header too, written as in a form or as it is', async () => {
    for (const name of [id, odd]) {
      const encoded = { authorization: basicHeader(form(name), form(clientSecret)) };
      assert.equal((await token(grant, encoded)).status, 200, name);
    }
  });

  /** What becomes of pulls from `team/a` and `team/b` with a token for this scope. */
  const pulls = async (client: string, scope: string): Promise<readonly number[]> => {
    const { body } = await token({ ...grant, scope, client_id: client, client_secret: clientSecret });
    const headers = { authorization: `Bearer ${String(body['access_token'])}` };
    const status = async (name: string): Promise<number> =>
      (await asked(`${server.url}/v2/${name}/manifests/v1`, { headers })).status;
    return [await status('team/a'), await status('team/b')];
  };

  it('is good for everywhere where none of its scopes names a repository', async () => {
    for (const scope of ['my-scope', ' ', ''])
      assert.deepEqual(await pulls(plain, scope), [404, 404], JSON.stringify(scope));
  });

  it('gets no more by asking for less', async () => {
    assert.deepEqual(await pulls(id, 'repository:team/a:pull'), [404, 401]);
    assert.deepEqual(await pulls(id, 'my-scope'), [401, 401]);
    for (const blank of [' ', '  ', '']) assert.deepEqual(await pulls(id, blank), [404, 401], `"${blank}"`);
  });

  /** What stands in its tokens as long as its secret is the same. */
  const stampOf = async (client: string): Promise<unknown> => {
    const { body } = await token({ ...grant, client_id: client, client_secret: clientSecret });
    return decodeJwt(String(body['access_token']))['stamp'];
  };

  it('has no more than it is configured to have now', async () => {
    const status = async (client: string, scope: string, name: string): Promise<number> => {
      const stamp = await stampOf(client);
      const claims = { iss: 'https://cache.test/here', sub: client, client_id: client, scope, stamp };
      const made = await new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .sign(Buffer.from(shared));
      const headers = { authorization: `Bearer ${made}` };
      return (await asked(`${server.url}/v2/${name}/manifests/v1`, { headers })).status;
    };
    const before = 'repository:team/b:pull repository:team/a:pull';
    assert.equal(await status(id, before, 'team/a'), 404);
    assert.equal(await status(id, before, 'team/b'), 401);
    assert.equal(await status(id, 'repository:team/*:pull', 'team/b'), 401);
    // One that is for less than its client may have stays so.
    assert.equal(await status(plain, before, 'team/b'), 404);
    assert.equal(await status(plain, before, 'team/c'), 401);
  });

  it('is told what is wrong as RFC 6749 has it', async () => {
    const shown = { client_id: id, client_secret: clientSecret };
    const error = async (
      fields: Readonly<Record<string, string>>,
      headers?: Readonly<Record<string, string>>,
    ) => {
      const answer = await token(fields, headers);
      return `${answer.status} ${String(answer.body['error'])}`;
    };
    assert.equal(await error({ ...grant, ...shown, client_secret: secret('wrong') }), '401 invalid_client');
    assert.equal(await error({ ...grant, ...shown, client_id: 'mallory' }), '401 invalid_client');
    assert.equal(await error({ ...grant, client_id: id }), '401 invalid_client');
    assert.equal(await error(grant), '401 invalid_client');
    assert.equal(
      await error(grant, { authorization: basicHeader(id, secret('wrong')) }),
      '401 invalid_client',
    );
    assert.equal(await error(grant, { authorization: 'Bearer x' }), '401 invalid_client');
    assert.equal(
      await error({ ...grant, ...shown }, { authorization: basicHeader(id, 'x') }),
      '400 invalid_request',
    );
    assert.equal(await error({ ...grant, ...shown, scope: 'other' }), '400 invalid_scope');
    assert.equal(await error({ ...grant, ...shown, scope: 'my-scope "' }), '400 invalid_scope');
    assert.equal(await error(shown), '400 invalid_request');
    assert.equal(await error({ ...shown, grant_type: 'authorization_code' }), '400 unsupported_grant_type');
    const implicit = await token({ ...shown, grant_type: 'implicit' });
    assert.match(String(implicit.body['error_description']), /RFC 9700/);
    const page = await asked(`${server.url}/authorize?response_type=token&client_id=${id}`);
    assert.deepEqual([page.status, page.body['error']], [400, 'unsupported_response_type']);
    const query = await posted(`${server.url}/token?client_secret=${secret('in-a-url')}`, {
      ...grant,
      ...shown,
    });
    assert.deepEqual([query.status, query.body['error']], [400, 'invalid_request']);
    const twice = await asked(`${server.url}/token`, {
      method: 'POST',
      body: 'grant_type=client_credentials&grant_type=client_credentials',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    assert.deepEqual([twice.status, twice.body['error']], [400, 'invalid_request']);
    assert.equal((await asked(`${server.url}/token`)).status, 405);
    assertSecretless(server.log, 'the log');
  });

  it('is not believed by what others made with the same secret', async () => {
    const status = async (claims: object, typ = 'JWT', key = shared): Promise<number> => {
      const made = await new SignJWT({ iss: 'https://cache.test/here', ...claims })
        .setProtectedHeader({ alg: 'HS256', typ })
        .sign(Buffer.from(key));
      return (await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${made}` } })).status;
    };
    const exp = Math.floor(Date.now() / 1000) + 60;
    const stamp = await stampOf(id);
    const good = { sub: id, client_id: id, exp, stamp };
    assert.equal(await status(good), 200);
    for (const other of [undefined, '', await stampOf(plain)])
      assert.equal(await status({ ...good, stamp: other }), 401);
    assert.equal(await status({ ...good, client_id: 'mallory', sub: 'mallory' }), 401);
    assert.equal(await status({ ...good, sub: 'root' }), 401);
    // In the name of a user who is not there.
    for (const stamp of ['x', '', null]) {
      assert.equal(await status({ ...good, sub: 'root', user_stamp: stamp }), 401);
      assert.equal(await status({ ...good, user_stamp: stamp }), 401);
    }
    assert.equal(await status({ ...good, exp: exp - 120 }), 401);
    assert.equal(await status({ sub: id, client_id: id, stamp }), 401);
    assert.equal(await status({ ...good, iss: 'another' }), 401);
    assert.equal(await status(good, 'at+jwt'), 401);
    const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = text({ iss: 'https://cache.test/here', ...good });
    for (const alg of ['none', 'None', 'HS512', 'ES256']) {
      const header = text({ alg, typ: 'JWT' });
      const signature = createHmac('sha512', shared).update(`${header}.${claims}`).digest('base64url');
      for (const shown of [`${header}.${claims}.`, `${header}.${claims}`, `${header}.${claims}.${signature}`])
        assert.equal(
          (await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${shown}` } })).status,
          401,
          shown,
        );
    }
    assert.equal(await status(good, 'JWT', `${shared}x`), 401);
  });
});

describe('a token of a program', () => {
  for (const algorithm of ['HS256', 'ES256'] as const)
    it(`ends when the secret of its program is another, or the program is gone: ${algorithm}`, async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      const imagePath = join(path, 'data');
      const started = async (more: object = {}) => await oauthApp(path, algorithm, { imagePath, ...more });
      const fields = { grant_type: 'client_credentials', client_id: id };
      let token = '';
      const status = async ({ url }: TokenApp): Promise<number> =>
        (await asked(`${url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status;
      {
        await using server = await started();
        const { body } = await posted(`${server.url}/token`, { ...fields, client_secret: clientSecret });
        token = String(body['access_token']);
        assert.equal(await status(server), 200);
      }
      const other = secret('of the same client, another');
      for (const [more, expected] of [
        [{}, 200],
        [{ secretOf: other }, 401],
        [{ isThere: false }, 401],
        [{}, 200],
      ] as const) {
        await using server = await started(more);
        assert.equal(await status(server), expected, JSON.stringify(more));
      }
    });

  it('is good at a server of another directory that signs in the same way, and says nothing of the secret', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    await using one = await oauthApp(path, 'HS256', { imagePath: join(path, 'one') });
    await using two = await oauthApp(path, 'HS256', { imagePath: join(path, 'two') });
    const fields = { grant_type: 'client_credentials', client_id: id, client_secret: clientSecret };
    const token = String((await posted(`${one.url}/token`, fields)).body['access_token']);
    const headers = { authorization: `Bearer ${token}` };
    assert.equal((await asked(`${two.url}/v2/`, { headers })).status, 200);
    const { stamp } = decodeJwt(token);
    for (const text of [clientSecret, JSON.stringify([id, clientSecret])])
      assert.notEqual(stamp, createHash('sha256').update(text).digest('base64url'));
  });

  it('is good to its end, though its key signs no more', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    await using server = await oauthApp(directory.path, 'ES256', { clock });
    const fields = { grant_type: 'client_credentials', client_id: id, client_secret: clientSecret };
    clock.set(clock.now() + 90 * 24 * 3_600_000 - 1000);
    const before = String((await posted(`${server.url}/token`, fields)).body['access_token']);
    clock.set(clock.now() + 60_000);
    const after = String((await posted(`${server.url}/token`, fields)).body['access_token']);
    assert.notEqual(decodeProtectedHeader(before).kid, decodeProtectedHeader(after).kid);
    for (const token of [before, after])
      assert.equal(
        (await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status,
        200,
      );
  });
});

describe('who guesses the secret of a program', () => {
  it('is not looked at for a minute behind ten wrong ones from his address, with the right one neither', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    const more = { trustedProxies: ['127.0.0.1'] };
    await using server = await oauthApp(directory.path, 'ES256', { clock, more });
    const shown = async (clientSecretShown: string, address = '192.0.2.1', name = id) => {
      const fields = { grant_type: 'client_credentials', client_id: name, client_secret: clientSecretShown };
      const answer = await posted(`${server.url}/token`, fields, { 'x-forwarded-for': address });
      return [answer.status, answer.headers.get('retry-after')];
    };
    // The same again is no further guess.
    for (let time = 0; time < 20; time += 1) assert.deepEqual(await shown(secret('old')), [401, null]);
    for (let guess = 1; guess < 10; guess += 1)
      assert.deepEqual(await shown(secret(`wrong ${guess}`), undefined, `client ${guess}`), [401, null]);
    for (const one of [secret('wrong'), clientSecret]) assert.deepEqual(await shown(one), [429, '60']);
    const header = { authorization: basicHeader(plain, 'x'), 'x-forwarded-for': '192.0.2.1' };
    assert.equal(
      (await posted(`${server.url}/token`, { grant_type: 'client_credentials' }, header)).status,
      429,
    );
    assert.deepEqual(await shown(clientSecret, '192.0.2.2'), [200, null]);
    await clock.advance(60_000);
    assert.deepEqual(await shown(clientSecret), [200, null]);
    assertSecretless(server.log, 'the log');
  });
});

describe('tokens of programs that are signed with a key', () => {
  it('are of a kind of their own', async () => {
    await using directory = await temporaryDirectory();
    await using server = await oauthApp(directory.path, 'ES256');
    const fields = { grant_type: 'client_credentials', client_id: odd, client_secret: clientSecret };
    const { body } = await posted(`${server.url}/token`, fields);
    const token = String(body['access_token']);
    assert.partialDeepStrictEqual(decodeProtectedHeader(token), { alg: 'ES256', typ: 'at+jwt' });
    assert.equal(
      (await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${token}` } })).status,
      200,
    );
  });
});

describe('a shared secret', () => {
  it('that is short keeps the server from starting', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'secret');
    await writeFile(file, 'x'.repeat(31));
    const oauth = { clients: [], signing: { algorithm: 'HS256', secretFile: file } };
    await assert.rejects(
      async () => await tokenApp({ basic: undefined, tokenService: undefined, oauth }),
      /auth\.oauth\.signing\.algorithm: the secret of HS256 must have 32 bytes or more/,
    );
  });
});

describe('a scope that names repositories', () => {
  for (const scope of [
    'repository:team/*:pull',
    'repository:team/a:PULL',
    'repository:team/a',
    'repository',
    'Repository:team/a:pull',
  ])
    it(`keeps the server from starting where it is not understood: ${scope}`, async () => {
      await using directory = await temporaryDirectory();
      const secretFile = join(directory.path, 'secret');
      await writeFile(secretFile, clientSecret);
      const clients = [{ id, secretFile, scopes: ['my-scope', scope] }];
      const oauth = { clients, signing: { algorithm: 'ES256' } };
      await assert.rejects(async () => {
        await using _ = await tokenApp({ basic: undefined, tokenService: undefined, oauth });
      }, /auth\.oauth\.clients\[0\]\.scopes\[1\]: must be repository:NAME:ACTIONS/);
    });
});

describe('a scope that is none, or several', () => {
  for (const scope of ['x repository:team/a:pull', ' repository:team/a:pull', 'a"b', 'é'])
    it(`keeps the server from starting: ${scope}`, async () => {
      await using directory = await temporaryDirectory();
      const secretFile = join(directory.path, 'secret');
      await writeFile(secretFile, clientSecret);
      // With another one that can be asked for, its token would be good for all.
      const oauth = {
        clients: [{ id, secretFile, scopes: ['my-scope', scope] }],
        signing: { algorithm: 'ES256' },
      };
      await assert.rejects(async () => {
        await using _ = await tokenApp({ basic: undefined, tokenService: undefined, oauth });
      }, /auth\.oauth\.clients\[0\]\.scopes\[1\]: must be one scope/);
    });
});
