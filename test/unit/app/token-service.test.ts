import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
  SignJWT,
} from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { asked, password, posted, service, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

const alice = { authorization: basicHeader('alice', password) };
const pull = 'repository:team/a:pull';

function tokenUrl({ url }: TokenApp, ...scopes: readonly string[]): URL {
  const at = new URL('/v2/token', url);
  at.searchParams.set('service', service);
  for (const scope of scopes) at.searchParams.append('scope', scope);
  return at;
}

async function tokenFor(server: TokenApp, ...scopes: readonly string[]): Promise<string> {
  const { status, body } = await asked(tokenUrl(server, ...scopes), { headers: alice });
  assert.equal(status, 200);
  return String(body['token']);
}

async function statusWith(server: TokenApp, path: string, token: string, method = 'GET'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await asked(new URL(path, server.url), { method, headers })).status;
}

describe('the token service', () => {
  it('is where the challenge sends clients, by the public URL', async () => {
    await using server = await tokenApp();
    const challenge = async (path: string, method = 'GET') =>
      (await asked(server.url + path, { method })).headers.get('www-authenticate');
    const begin = `Bearer realm="https://cache.test/here/v2/token",service="${service}"`;
    assert.equal(await challenge('/v2/'), begin);
    assert.equal(await challenge('/v2/team/a/manifests/v1'), `${begin},scope="${pull}"`);
    assert.equal(
      await challenge('/v2/docker.io/library/x/manifests/v1'),
      `${begin},scope="repository:docker.io/library/x:pull"`,
    );
    assert.equal(
      await challenge('/v2/team/a/blobs/uploads/', 'POST'),
      `${begin},scope="repository:team/a:pull,push"`,
    );
    assert.equal(await challenge('/v2/_catalog'), `${begin},scope="registry:catalog:*"`);
  });

  it('gives whoever shows his password a token with all that the specification asks for', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp({}, { clock });
    const { status, body, headers } = await asked(tokenUrl(server, pull), { headers: alice });
    assert.equal(status, 200);
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.deepEqual([body['expires_in'], body['access_token']], [300, body['token']]);
    assert.equal(body['issued_at'], new Date(Math.floor(clock.now() / 1000) * 1000).toISOString());
    const now = Math.floor(clock.now() / 1000);
    const { jti, stamp, ...claims } = decodeJwt(String(body['token']));
    assert.match(String(jti), /^[0-9a-f-]{36}$/);
    assert.match(String(stamp), /^[\w-]{43}$/);
    assert.deepEqual(claims, {
      ...{ iss: 'issuer.test', sub: 'alice', aud: service, iat: now, nbf: now - 5, exp: now + 300 },
      access: [{ type: 'repository', name: 'team/a', actions: ['pull'] }],
    });
  });

  it('publishes the key by which its tokens are known to anybody', async () => {
    await using server = await tokenApp();
    const token = await tokenFor(server, pull);
    const { body, headers } = await asked(`${server.url}/v2/token/jwks.json`);
    assert.equal(headers.get('cache-control'), 'public, max-age=300');
    const keys = body as unknown as JSONWebKeySet;
    assert.ok(keys.keys.every((key) => !('d' in key)));
    assert.match(String(decodeProtectedHeader(token).kid), /^(?:[A-Z2-7]{4}:){11}[A-Z2-7]{4}$/);
    await jwtVerify(token, createLocalJWKSet(keys), { issuer: 'issuer.test', audience: service });
  });

  it('keeps its key in the directory, for its owner alone, and signs with it after a restart', async () => {
    await using directory = await temporaryDirectory();
    const imagePath = join(directory.path, 'data');
    let token = '';
    {
      await using server = await tokenApp({}, { imagePath });
      token = await tokenFor(server, pull);
    }
    assert.equal((await stat(join(imagePath, 'token-keys.json'))).mode & 0o777, 0o600);
    await using server = await tokenApp({}, { imagePath });
    assert.equal(await statusWith(server, '/v2/team/a/manifests/v1', token), 404);
    assert.equal(decodeProtectedHeader(await tokenFor(server)).kid, decodeProtectedHeader(token).kid);
  });

  it('takes another key without an outage: the tokens of the one before are good to their end', async () => {
    await using directory = await temporaryDirectory();
    const imagePath = join(directory.path, 'data');
    const clock = new FakeClock();
    const tokens: string[] = [];
    for (const type of ['ec', 'rsa'] as const) {
      const keyFile = join(directory.path, type);
      const { privateKey } =
        type === 'ec'
          ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
          : generateKeyPairSync('rsa', { modulusLength: 2048 });
      await writeFile(keyFile, privateKey.export({ format: 'pem', type: 'pkcs8' }));
      const tokenService = { issuer: 'issuer.test', service, keyFile };
      await using server = await tokenApp({ tokenService }, { imagePath, clock });
      tokens.push(await tokenFor(server, pull));
      for (const token of tokens)
        assert.equal(await statusWith(server, '/v2/team/a/manifests/v1', token), 404);
      await clock.advance(1000);
    }
    assert.deepEqual(
      tokens.map((token) => decodeProtectedHeader(token).alg),
      ['ES256', 'RS256'],
    );
    assert.ok(!(await readFile(join(imagePath, 'token-keys.json'), 'utf8')).includes('PRIVATE'));
  });

  it('makes another key when one has signed for 90 days', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp({}, { clock });
    const before = decodeProtectedHeader(await tokenFor(server)).kid;
    clock.set(clock.now() + 91 * 24 * 3_600_000);
    const after = decodeProtectedHeader(await tokenFor(server)).kid;
    assert.notEqual(after, before);
    const published = (await asked(`${server.url}/v2/token/jwks.json`)).body['keys'] as { kid: string }[];
    assert.deepEqual(
      published.map(({ kid }) => kid),
      [before, after],
    );
  });

  it('makes another key for one that was made while the clock was years ahead, and not for one of a neighbour whose clock is', async () => {
    const clock = new FakeClock();
    const kid = async (server: TokenApp): Promise<unknown> =>
      decodeProtectedHeader(await tokenFor(server)).kid;
    const rightly = clock.now();
    clock.set(rightly + 10 * 365 * 24 * 3_600_000);
    await using server = await tokenApp({}, { clock });
    const ahead = await kid(server);
    clock.set(rightly);
    const after = await kid(server);
    assert.notEqual(after, ahead, 'it would sign for ten years');
    clock.set(rightly - 3_600_000);
    assert.equal(await kid(server), after);
    assert.equal(await statusWith(server, '/v2/', await tokenFor(server)), 200);
  });

  it('grants what is asked and allowed, and nothing else', async () => {
    await using server = await tokenApp();
    const access = async (...scopes: readonly string[]) =>
      decodeJwt(await tokenFor(server, ...scopes))['access'];
    const a = (actions: readonly string[], name = 'team/a') => ({ type: 'repository', name, actions });
    assert.deepEqual(await access(), []);
    assert.deepEqual(await access('repository:team/a:pull,push'), [a(['pull', 'push'])]);
    assert.deepEqual(await access('repository:team/a:delete'), []);
    assert.deepEqual(await access('repository:team/a:*'), [a(['pull', 'push'])]);
    assert.deepEqual(await access(`${pull} repository:team/b:push`), [a(['pull']), a(['push'], 'team/b')]);
    assert.deepEqual(await access(pull, 'repository:team/a:push'), [a(['pull', 'push'])]);
    assert.deepEqual(await access('registry:catalog:*'), [
      { type: 'registry', name: 'catalog', actions: ['*'] },
    ]);
    const tricks = [
      'repository:team/../a:pull',
      'repository:/team/a:pull',
      'repository:team//a:pull',
      'repository:*:pull',
      'repository:team/%2e%2e/a:pull',
      'repository:Team/A:pull',
      'repository:team/a',
      'repository::pull',
      'repository:team/a:',
      'repository:no-registry:pull',
      'nothing',
      'admin:cmd:*',
      'repository:team/a:admin',
      'repository:team/a\0:pull',
      'registry:catalog:pull',
      'repository:docker.io:pull',
    ];
    assert.deepEqual(await access(...tricks), []);
  });

  it('answers those whom it does not know with 401, and what makes no sense with 400', async () => {
    await using server = await tokenApp();
    const status = async (url: URL | string, init: RequestInit = {}) => (await asked(url, init)).status;
    const wrong = { headers: { authorization: basicHeader('alice', secret('wrong')) } };
    const nobody = await asked(tokenUrl(server, pull));
    assert.equal(nobody.status, 401);
    assert.match(String(nobody.headers.get('www-authenticate')), /^Basic /);
    assert.equal(await status(tokenUrl(server, pull), wrong), 401);
    assert.equal(await status(tokenUrl(server), wrong), 401);
    assert.equal(
      await status(tokenUrl(server), { headers: { authorization: `Bearer ${await tokenFor(server)}` } }),
      401,
    );
    const other = tokenUrl(server);
    other.searchParams.set('service', 'another');
    assert.equal(await status(other, { headers: alice }), 400);
    const scopes = Array.from({ length: 101 }, (_, at) => `repository:team/${at}:pull`);
    assert.equal(await status(tokenUrl(server, ...scopes), { headers: alice }), 400);
    for (const name of ['password', 'client_secret', 'refresh_token', 'access_token']) {
      const url = tokenUrl(server);
      url.searchParams.set(name, secret('in-a-url'));
      assert.equal(await status(url, { headers: alice }), 400);
    }
    assert.equal(await status(tokenUrl(server), { method: 'DELETE' }), 405);
    assertSecretless(server.log, 'the log');
  });

  it('says by POST the same, with passwords and refresh tokens', async () => {
    await using server = await tokenApp();
    const url = `${server.url}/v2/token`;
    const user = { grant_type: 'password', username: 'alice', password, client_id: 'test', service };
    const first = await posted(url, { ...user, scope: pull, access_type: 'offline' });
    assert.equal(first.status, 200);
    assert.equal(
      await statusWith(server, '/v2/team/a/manifests/v1', String(first.body['access_token'])),
      404,
    );
    const refresh = String(first.body['refresh_token']);
    const grant = { grant_type: 'refresh_token', refresh_token: refresh, client_id: 'test', service };
    const second = await posted(url, { ...grant, scope: pull });
    assert.equal(second.status, 200);
    assert.equal(decodeJwt(String(second.body['access_token'])).sub, 'alice');
    assert.equal(second.body['refresh_token'], undefined);
    // A refresh token opens no door, and a token refreshes nothing.
    assert.equal(await statusWith(server, '/v2/', refresh), 401);
    const access = { ...grant, refresh_token: String(first.body['access_token']) };
    assert.partialDeepStrictEqual(await posted(url, access), {
      status: 401,
      body: { error: 'invalid_grant' },
    });
    assert.equal((await posted(url, { ...user, password: secret('wrong') })).status, 401);
    assert.equal((await posted(url, { ...user, username: 'mallory' })).status, 401);
    const others = [
      {},
      { grant_type: 'client_credentials' },
      { grant_type: 'password' },
      { grant_type: 'refresh_token' },
    ];
    for (const fields of others) assert.equal((await posted(url, fields)).status, 400);
    assert.equal(
      (await asked(url, { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }))
        .status,
      400,
    );
    assert.equal((await posted(url, { ...user, scope: 'x'.repeat(100_000) })).status, 413);
    assertSecretless(server.log, 'the log');
  });

  it('refreshes nothing for a user whose password is another, or who is gone', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp({}, { clock });
    const offline = tokenUrl(server, pull);
    offline.searchParams.set('offline_token', 'true');
    const { body } = await asked(offline, { headers: alice });
    const grant = { grant_type: 'refresh_token', refresh_token: String(body['refresh_token']), service };
    const url = `${server.url}/v2/token`;
    assert.equal((await posted(url, grant)).status, 200);
    for (const user of ['alice', 'bob']) {
      await writeFile(server.htpasswdFile, `${user}:${bcrypt(secret('new'))}\n`);
      // Whoever shows a password that is not remembered has the file looked at.
      await asked(tokenUrl(server), { headers: { authorization: basicHeader(user, secret('none')) } });
      assert.equal((await posted(url, grant)).status, 401);
    }
    assert.equal(await statusWith(server, '/v2/team/a/manifests/v1', String(body['token'])), 401);
  });
});

describe('a token', () => {
  it('is good as long as the password of its user is the same, remembered or not', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp({}, { clock });
    const remembered = await tokenFor(server, pull);
    const fresh = await tokenFor(server, pull, 'repository:team/b:pull');
    assert.equal(await statusWith(server, '/v2/', remembered), 200);
    const changed = secret('changed');
    await writeFile(server.htpasswdFile, `alice:${bcrypt(changed)}\n`);
    // Whoever shows a password that is not remembered has the file looked at.
    const again = { authorization: basicHeader('alice', changed) };
    const { status, body } = await asked(tokenUrl(server, pull), { headers: again });
    assert.equal(status, 200);
    assert.equal(await statusWith(server, '/v2/', remembered), 401);
    assert.equal(await statusWith(server, '/v2/', fresh), 401);
    assert.equal(await statusWith(server, '/v2/', String(body['token'])), 200);
  });

  it('is good for what it was asked for', async () => {
    await using server = await tokenApp();
    const token = await tokenFor(server, pull);
    assert.equal(await statusWith(server, '/v2/', token), 200);
    assert.equal(await statusWith(server, '/v2/team/a/manifests/v1', token), 404);
    assert.equal(await statusWith(server, '/v2/team/b/manifests/v1', token), 401);
    assert.equal(await statusWith(server, '/v2/team/a/blobs/uploads/', token, 'POST'), 401);
    const more = await asked(`${server.url}/v2/team/b/manifests/v1`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.match(
      String(more.headers.get('www-authenticate')),
      /scope="repository:team\/b:pull",error="insufficient_scope"/,
    );
  });

  it('is good until its end, remembered or not', async () => {
    const clock = new FakeClock();
    await using server = await tokenApp({}, { clock });
    const token = await tokenFor(server, pull);
    assert.equal(await statusWith(server, '/v2/', token), 200);
    await clock.advance(299_000);
    assert.equal(await statusWith(server, '/v2/', token), 200);
    await clock.advance(12_000);
    const ended = await asked(`${server.url}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(ended.status, 401);
    assert.match(String(ended.headers.get('www-authenticate')), /^Bearer .*error="invalid_token"/);
  });

  it('is not believed when it was made or changed by another', async () => {
    await using server = await tokenApp();
    const good = await tokenFor(server, pull);
    assert.equal(await statusWith(server, '/v2/', good), 200);
    const [header = '', payload = '', signature = ''] = good.split('.');
    const text = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = decodeJwt(good);
    const { kid } = decodeProtectedHeader(good);
    const published = (await asked(`${server.url}/v2/token/jwks.json`)).body['keys'] as [object];
    const pem = createPublicKey({ key: published[0] as never, format: 'jwk' }).export({
      format: 'pem',
      type: 'spki',
    });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const signed = async (alg: string, key: Parameters<SignJWT['sign']>[0], more: object = {}) =>
      await new SignJWT(claims).setProtectedHeader({ typ: 'JWT', alg, kid, ...more } as never).sign(key);
    const forged: Readonly<Record<string, string>> = {
      'no signature': `${header}.${payload}.`,
      'half a signature': `${header}.${payload}.${signature.slice(0, 20)}`,
      'two parts': `${header}.${payload}`,
      none: `${text({ typ: 'JWT', alg: 'none' })}.${payload}.`,
      None: `${text({ typ: 'JWT', alg: 'None', kid })}.${payload}.`,
      'another user': `${header}.${text({ ...claims, sub: 'root' })}.${signature}`,
      'the public key as a secret': await signed('HS256', Buffer.from(String(pem))),
      'another key under the same name': await signed('ES256', privateKey),
      'its own key in the header': await signed('ES256', privateKey, {
        kid: 'own',
        jwk: createPublicKey(privateKey).export({ format: 'jwk' }),
      }),
      'no JSON': `${Buffer.from('x').toString('base64url')}.${payload}.${signature}`,
      nothing: '..',
      much: `${header}.${'A'.repeat(14_000)}.${signature}`,
    };
    for (const [what, token] of Object.entries(forged))
      assert.equal(await statusWith(server, '/v2/', token), 401, what);
    assert.equal(
      await statusWith(server, '/v2/', `${header}.${'A'.repeat(1_000_000)}.x`).catch(() => 431),
      431,
    );
    assertSecretless(server.log, 'the log');
    assert.ok(!JSON.stringify(server.log.lines).includes(signature));
  });
});
