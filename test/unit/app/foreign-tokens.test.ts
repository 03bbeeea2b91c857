import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { keyId } from '#src/door/tokens/key-id.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeIssuer, newKey } from '#test/fakes/fake-issuer.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { asked, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

const alone = { basic: undefined, tokenService: undefined };

async function trusting(
  issuer: FakeIssuer,
  more: object = {},
  clock = new FakeClock(),
): Promise<TokenApp & { readonly clock: FakeClock }> {
  const trusted = { issuer: issuer.url, audience: 'cache', jwksUrl: issuer.jwksUrl, ...more };
  return { ...(await tokenApp({ ...alone, issuers: [trusted] }, { clock })), clock };
}

async function answer(server: TokenApp, token: string, path = '/v2/'): Promise<number> {
  return (await asked(server.url + path, { headers: { authorization: `Bearer ${token}` } })).status;
}

const keysAsked = ({ asked: paths }: FakeIssuer): number => paths.filter((path) => path === '/keys').length;

describe('tokens of an issuer that is believed', () => {
  it('let in whom they name, by keys that are fetched once', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const tokens = await Promise.all(
      [1, 2, 3, 4].map(async (at) => await issuer.token({ sub: `user ${at}` }, server.clock.now())),
    );
    assert.deepEqual(
      await Promise.all(tokens.map(async (token) => await answer(server, token))),
      [200, 200, 200, 200],
    );
    assert.deepEqual(issuer.asked, ['/keys']);
  });

  it('are good for the repositories that they grant, where they grant some', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const access = [{ type: 'repository', name: 'team/a', actions: ['pull'] }];
    const token = await issuer.token({ sub: 'u', access }, server.clock.now());
    assert.equal(await answer(server, token, '/v2/team/a/manifests/v1'), 404);
    assert.equal(await answer(server, token, '/v2/team/b/manifests/v1'), 401);
    // The same path at a registry of that name.
    assert.equal(await answer(server, token, '/v2/a/manifests/v1?ns=team'), 401);
    for (const odd of [[], null, 'all', [null], [{ type: 'repository', name: 'team/a', actions: 'pull' }]]) {
      const none = await issuer.token({ sub: 'u', access: odd }, server.clock.now());
      assert.equal(await answer(server, none, '/v2/team/a/manifests/v1'), 401);
    }
  });

  it('are good for nothing where the issuer is a token server and they grant nothing, but to log in', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer, { realm: `${issuer.url}/token` });
    const token = await issuer.token({ sub: 'u' }, server.clock.now());
    assert.equal(await answer(server, token), 200);
    assert.equal(await answer(server, token, '/v2/team/a/manifests/v1'), 401);
    const access = [{ type: 'repository', name: 'team/a', actions: ['pull'] }];
    const granting = await issuer.token({ sub: 'u', access }, server.clock.now());
    assert.equal(await answer(server, granting, '/v2/team/a/manifests/v1'), 404);
  });

  it('are not believed when they are for others, or not good now', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer, { clockSkew: '30s' });
    const now = server.clock.now();
    const seconds = Math.floor(now / 1000);
    const claims = { sub: 'u' };
    assert.equal(await answer(server, await issuer.token({ ...claims, aud: ['x', 'cache'] }, now)), 200);
    assert.equal(await answer(server, await issuer.token({ ...claims, exp: seconds - 20 }, now)), 200);
    const wrong: readonly object[] = [
      { aud: 'another' },
      { aud: ['a', 'b'] },
      { aud: undefined },
      { exp: seconds - 40 },
      { exp: undefined },
      { nbf: seconds + 40 },
      { iss: 'https://another.test' },
      { iss: undefined },
      { sub: undefined },
      { sub: '' },
      { sub: 7 },
      { sub: 'a\nb' },
    ];
    for (const claim of wrong)
      assert.equal(
        await answer(server, await issuer.token({ ...claims, ...claim }, now)),
        401,
        JSON.stringify(claim),
      );
  });

  it('are not believed by another algorithm than those that are listed, or no key of the issuer', async () => {
    await using issuer = await FakeIssuer.start();
    issuer.keys = [newKey('rsa', 'RS256'), newKey('ec')];
    await using server = await trusting(issuer, { algorithms: ['RS256'] });
    const now = server.clock.now();
    const [rsa, ec] = issuer.keys;
    assert.ok(rsa !== undefined && ec !== undefined);
    assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, rsa)), 200);
    assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, ec)), 401);
    assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, newKey('rsa', 'RS256'))), 401);
    const secret = String(rsa.publicKey.export({ format: 'pem', type: 'spki' }));
    const claims = { iss: issuer.url, aud: 'cache', sub: 'u', exp: Math.floor(now / 1000) + 60 };
    const confused = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'rsa' })
      .sign(Buffer.from(secret));
    assert.equal(await answer(server, confused), 401);
    const [, payload = '', signature = ''] = (await issuer.token({ sub: 'u' }, now, rsa)).split('.');
    for (const alg of ['none', 'NONE', 'RS512', 'ES256']) {
      const header = Buffer.from(JSON.stringify({ alg, kid: 'rsa' })).toString('base64url');
      for (const shown of ['', signature, signature.slice(0, 40)])
        assert.equal(await answer(server, `${header}.${payload}.${shown}`), 401, alg);
    }
  });

  it('are known by a new key at once, which a flood of unknown ones does not have fetched again and again', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const before = await issuer.token({ sub: 'u' }, server.clock.now());
    assert.equal(await answer(server, before), 200);
    await server.clock.advance(30_000);
    issuer.keys.push(newKey('two'));
    assert.equal(await answer(server, await issuer.token({ sub: 'v' }, server.clock.now())), 200);
    assert.equal(await answer(server, before), 200);
    for (const at of Array.from({ length: 20 }, (_, index) => index))
      assert.equal(
        await answer(server, await issuer.token({ sub: 'w' }, server.clock.now(), newKey(`${at}`))),
        401,
      );
    assert.equal(keysAsked(issuer), 2);
  });

  it('are known by the name that libtrust has for a key, whatever the issuer publishes it as, and by no other', async () => {
    await using issuer = await FakeIssuer.start();
    issuer.keys = [newKey('of RSA', 'RS256'), newKey('of a curve')];
    await using server = await trusting(issuer, { realm: `${issuer.url}/token` });
    const now = server.clock.now();
    for (const key of issuer.keys) {
      const kid = keyId(key.publicKey);
      assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, { ...key, kid })), 200);
      assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, { ...newKey(kid), kid })), 401);
    }
    const [rsa, ec] = issuer.keys;
    assert.ok(rsa !== undefined && ec !== undefined);
    const confused = { ...ec, kid: keyId(rsa.publicKey) };
    assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, confused)), 401);
    assert.equal(await answer(server, await issuer.token({ sub: 'u' }, now, { ...ec, kid: 'none' })), 401);
  });

  it('are known while the issuer is away, if its keys were ever had', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const broken: readonly ((response: import('node:http').ServerResponse) => void)[] = [
      (response) => response.writeHead(500).end(),
      (response) => response.destroy(),
      (response) => response.end('no json'),
      (response) => response.end('{"keys":7}'),
      (response) => response.end(`{"keys":[${'{},'.repeat(200_000)}{}]}`),
      (response) => response.writeHead(302, { location: issuer.jwksUrl }).end(),
    ];
    issuer.instead = broken[0];
    const token = async () => await issuer.token({ sub: 'u' }, server.clock.now());
    assert.equal(await answer(server, await token()), 503);
    issuer.instead = undefined;
    await server.clock.advance(5000);
    assert.equal(await answer(server, await token()), 200);
    for (const instead of broken) {
      issuer.instead = instead;
      await server.clock.advance(11 * 60_000);
      assert.equal(await answer(server, await token()), 200);
      const unknown = await issuer.token({ sub: 'u' }, server.clock.now(), newKey('unknown'));
      assert.equal(await answer(server, unknown), 401);
    }
  });

  it('are good for the repositories of their scope, as another ociregistry writes it, and of both where there is access too', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const now = server.clock.now();
    const at = async (claims: object, name: string): Promise<number> =>
      await answer(
        server,
        await issuer.token({ sub: 'u', ...claims }, now, undefined, { typ: 'at+jwt' }),
        `/v2/team/${name}/manifests/v1`,
      );
    const scope = 'other repository:team/a:pull';
    assert.deepEqual([await at({ scope }, 'a'), await at({ scope }, 'b')], [404, 401]);
    assert.deepEqual(
      [await at({ scp: scope.split(' ') }, 'a'), await at({ scp: scope.split(' ') }, 'b')],
      [404, 401],
    );
    // Of no repository: the rules alone decide.
    assert.equal(await at({ scope: 'openid profile' }, 'b'), 404);
    // Not understood, and so good for nothing.
    assert.equal(await at({ scope: 'repository:team/*:pull' }, 'a'), 401);
    const access = ['a', 'b'].map((name) => ({
      type: 'repository',
      name: `team/${name}`,
      actions: ['pull'],
    }));
    assert.deepEqual([await at({ access, scope }, 'a'), await at({ access, scope }, 'b')], [404, 401]);
  });

  it('list the catalogue where they are for that, and by no repository that is called so', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const listed = async (claims: object): Promise<number> =>
      await answer(server, await issuer.token({ sub: 'u', ...claims }, server.clock.now()), '/v2/_catalog');
    const grant = (type: string, name: string): object => ({ access: [{ type, name, actions: ['*'] }] });
    assert.equal(await listed(grant('registry', 'catalog')), 200);
    assert.equal(await listed(grant('repository', 'registry:catalog')), 401);
    assert.equal(await listed(grant('repository', 'registry catalog')), 401);
    assert.equal(await listed({ scope: 'repository:registry:catalog:*' }), 401);
  });

  it('are not believed where they were made for something else', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    await using strict = await trusting(issuer, { tokenType: 'at+jwt' });
    const made = async (claims: object, typ?: string): Promise<string> =>
      await issuer.token(
        { sub: 'u', ...claims },
        server.clock.now(),
        undefined,
        typ === undefined ? {} : { typ },
      );
    for (const [claims, typ] of [
      [{ nonce: 'n' }, 'JWT'],
      [{ at_hash: 'x' }, undefined],
      [{ events: {} }, 'JWT'],
      [{ typ: 'ID' }, 'JWT'],
      [{}, 'logout+jwt'],
      [{ cnf: { jkt: 'x' } }, 'at+jwt'],
    ] as const) {
      const { status, body } = await asked(`${server.url}/v2/`, {
        headers: { authorization: `Bearer ${await made(claims, typ)}` },
      });
      assert.equal(status, 401, JSON.stringify([claims, typ]));
      assert.match(JSON.stringify(body), /is no access token|only with a key of its holder/);
    }
    assert.equal(await answer(server, await made({}, 'JWT')), 200);
    assert.equal(await answer(strict, await made({}, 'JWT')), 401);
    assert.equal(await answer(strict, await made({}, 'at+jwt')), 200);
  });

  it('are of nobody else who is called so', async () => {
    await using issuer = await FakeIssuer.start();
    const everywhere = { repositories: ['**'], actions: ['pull'] };
    const rules = (who: object): object => ({ access: [{ name: 'x', who, ...everywhere }] });
    const statusBy = async (who: object, claims: object = {}): Promise<number> => {
      const clock = new FakeClock();
      await using server = await tokenApp(
        {
          tokenService: undefined,
          issuers: [{ issuer: issuer.url, audience: 'cache', jwksUrl: issuer.jwksUrl }],
        },
        { clock, more: rules(who) },
      );
      return await answer(
        server,
        await issuer.token({ sub: 'alice', ...claims }, clock.now()),
        '/v2/team/a/manifests/v1',
      );
    };
    assert.equal(await statusBy({ user: 'alice' }), 403);
    assert.equal(await statusBy({ subject: 'alice' }), 404);
    assert.equal(await statusBy({ issuer: issuer.url, subject: 'alice' }), 404);
    const who = { claim: { project_path: 'team/app', ref_protected: 'true' } };
    assert.equal(await statusBy(who, { project_path: 'team/app', ref_protected: 'true' }), 404);
    assert.equal(await statusBy(who, { project_path: 'team/app', ref_protected: 'false' }), 403);
    assert.equal(await statusBy(who, { project_path: 'team/app' }), 403);
  });

  it('name nobody by an address that the issuer has not verified', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer, { subjectClaim: 'email' });
    const status = async (claims: object): Promise<number> =>
      await answer(server, await issuer.token({ email: 'a@test.lan', ...claims }, server.clock.now()));
    for (const email_verified of [undefined, true, 'true'])
      assert.equal(await status({ email_verified }), 200);
    for (const email_verified of [false, 'false', null, 1])
      assert.equal(await status({ email_verified }), 401);
  });

  it('without rules let whoever has one pull, and push as far as it says so', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer);
    const push = async (claims: object): Promise<number> => {
      const token = await issuer.token({ sub: 'u', ...claims }, server.clock.now());
      const headers = { authorization: `Bearer ${token}` };
      const response = await fetch(`${server.url}/v2/team/a/blobs/uploads/`, { method: 'POST', headers });
      await response.arrayBuffer();
      return response.status;
    };
    assert.equal(await push({}), 403);
    const access = [{ type: 'repository', name: 'team/a', actions: ['pull', 'push'] }];
    assert.equal(await push({ access }), 202);
    assert.ok(
      server.log.lines.some((line) => line.includes(`${issuer.url}#u`)),
      'whose name it is, is in the log',
    );
  });

  it('are known by keys that are where the issuer says, and nowhere that it could only guess at', async () => {
    await using issuer = await FakeIssuer.start();
    await using other = await FakeIssuer.start();
    issuer.keysAt = 'http://169.254.169.254/keys';
    await using server = await trusting(issuer, { jwksUrl: undefined });
    const token = await issuer.token({ sub: 'u' }, server.clock.now());
    assert.equal(await answer(server, token), 503);
    assert.ok(
      server.log.lines.some((line) =>
        /issuer "127\.0\.0\.1:\d+" refers to http:\/\/169\.254\.169\.254/.test(line),
      ),
      server.log.lines.join('\n'),
    );
    // A neighbour of an issuer that is itself within.
    issuer.keysAt = other.jwksUrl;
    other.keys = issuer.keys;
    await server.clock.advance(5000);
    assert.equal(await answer(server, token), 200);
    assert.deepEqual(other.asked, ['/keys']);
  });

  it('are found by the configuration of the issuer, which must be its own', async () => {
    await using issuer = await FakeIssuer.start();
    await using server = await trusting(issuer, { jwksUrl: undefined });
    issuer.claims = 'https://another.test';
    const token = await issuer.token({ sub: 'u' }, server.clock.now());
    assert.equal(await answer(server, token), 503);
    issuer.claims = undefined;
    await server.clock.advance(5000);
    assert.equal(await answer(server, token), 200);
    assert.deepEqual(issuer.asked.slice(-2), ['/.well-known/openid-configuration', '/keys']);
  });

  it('are known by keys of a file, whatever they call them', async () => {
    await using issuer = await FakeIssuer.start();
    await using directory = await temporaryDirectory();
    const keyFile = join(directory.path, 'key');
    const pem = String(issuer.keys[0]?.publicKey.export({ format: 'pem', type: 'spki' }));
    for (const text of [pem, JSON.stringify(issuer.jwks)]) {
      await writeFile(keyFile, text);
      await using server = await trusting(issuer, { issuer: 'portus.test.lan', jwksUrl: undefined, keyFile });
      const token = await issuer.token({ sub: 'u', iss: 'portus.test.lan' }, server.clock.now());
      assert.equal(await answer(server, token), 200);
    }
    assert.deepEqual(issuer.asked, []);
  });

  for (const [text, why] of [
    ['', /has neither a public key nor a certificate/],
    ['{', /is not JSON/],
    ['{"keys":{}}', /is no JSON Web Key Set/],
    ['-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n', /has what is neither/],
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n', /has a private key/],
  ] as const)
    it(`keep the server from starting where their keys cannot be read: ${String(why)}`, async () => {
      await using issuer = await FakeIssuer.start();
      await using directory = await temporaryDirectory();
      const keyFile = join(directory.path, 'key');
      await writeFile(keyFile, text);
      await assert.rejects(
        async () => await trusting(issuer, { jwksUrl: undefined, keyFile }),
        (error: Error) => error.message.startsWith('auth.issuers[0].keyFile: ') && why.test(error.message),
      );
    });
});
