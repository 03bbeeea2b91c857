import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { codeOf } from '#test/fakes/hosted-client.ts';
import { secret } from '#test/fakes/secrets.ts';
import { asked, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';
import { newIssuerKey, OidcIssuer } from './support/oidc-issuer.ts';
import { until } from './support/until.ts';

const builder = { id: 'builder', secret: secret('of the builder'), groups: ['builders', 'all'] };
const reader = { id: 'reader', secret: secret('of the reader'), groups: ['all'] };
const here = 'https://cache.test/';
const minute = 60_000;

const access = [
  { name: 'builders', who: { group: 'builders' }, repositories: ['team/a'], actions: ['pull', 'push'] },
  { name: 'reader', who: { subject: 'reader' }, repositories: ['team/b'], actions: ['pull'] },
];

/** Believes the issuer: where its keys are is said by its OpenID configuration. */
async function trusting(issuer: OidcIssuer, more: object = {}): Promise<TokenApp & { clock: FakeClock }> {
  const clock = new FakeClock();
  clock.set(Date.now());
  const auth = {
    ...{ basic: undefined, tokenService: undefined },
    issuers: [{ issuer: issuer.url, audience: 'cache', ...more }],
  };
  return { ...(await tokenApp(auth, { clock, more: { access } })), clock };
}

async function status(server: TokenApp, token: string, path = '/v2/', method = 'GET'): Promise<number> {
  return (await asked(server.url + path, { method, headers: { authorization: `Bearer ${token}` } })).status;
}

/** How often its keys were asked for. */
const fetches = (issuer: OidcIssuer): number => issuer.asked.filter((path) => path === '/jwks').length;

describe('tokens of oidc-provider', () => {
  it('are access tokens by RFC 9068, whose claims say whose rules hold', async () => {
    await using issuer = await OidcIssuer.start([builder, reader], [newIssuerKey('one')]);
    await using server = await trusting(issuer);
    const [his, hers] = [await issuer.token(builder, here), await issuer.token(reader, here)];
    assert.partialDeepStrictEqual(decodeProtectedHeader(his), { typ: 'at+jwt', kid: 'one', alg: 'RS256' });
    assert.partialDeepStrictEqual(decodeJwt(his), { sub: 'builder', aud: 'cache', groups: builder.groups });
    const push = '/v2/team/a/blobs/uploads/';
    assert.deepEqual(
      [await status(server, his, push, 'POST'), await status(server, hers, push, 'POST')],
      [202, 403],
    );
    const list = '/v2/team/b/manifests/none';
    assert.deepEqual([await status(server, his, list), await status(server, hers, list)], [403, 404]);
    assert.deepEqual(
      issuer.asked.filter((path) => path !== '/token'),
      ['/.well-known/openid-configuration', '/jwks'],
    );
  });

  it('are no tokens here where they are for another, or for the issuer alone', async () => {
    await using issuer = await OidcIssuer.start([builder], [newIssuerKey('one')]);
    await using server = await trusting(issuer);
    const others = [await issuer.token(builder, 'https://another.test/'), await issuer.token(builder)];
    for (const token of others) assert.equal(await status(server, token), 401);
    assert.equal(await status(server, await issuer.token(builder, here)), 200);
  });

  it('list their groups in another claim, where it is named: a text of scopes', async () => {
    await using issuer = await OidcIssuer.start([reader], [newIssuerKey('one')]);
    await using server = await tokenApp(
      {
        ...{ basic: undefined, tokenService: undefined },
        issuers: [{ issuer: issuer.url, audience: 'cache', groupsClaim: 'scope' }],
      },
      {
        more: {
          access: [{ name: 'by scope', who: { group: 'push' }, repositories: ['team/*'], actions: ['push'] }],
        },
      },
    );
    const token = await issuer.token(reader, here);
    assert.equal(await status(server, token, '/v2/team/a/blobs/uploads/', 'POST'), 202);
    assert.equal(await status(server, token, '/v2/team/a/manifests/v1'), 403);
  });

  it('are good while the issuer takes another key, and end with a key that it takes out', async () => {
    const [one, two] = [newIssuerKey('one'), newIssuerKey('two')];
    await using issuer = await OidcIssuer.start([builder], [one]);
    await using server = await trusting(issuer);
    const old = await issuer.token(builder, here);
    assert.equal(await status(server, old), 200);
    await issuer.startAgain([two, one]);
    await server.clock.advance(minute);
    const young = await issuer.token(builder, here);
    assert.equal(decodeProtectedHeader(young).kid, 'two');
    assert.deepEqual([await status(server, young), await status(server, old)], [200, 200]);
    await issuer.startAgain([two]);
    const before = fetches(issuer);
    await server.clock.advance(11 * minute);
    // Nobody waits for the new keys: whoever comes first is judged by those that are known.
    await status(server, young);
    await until('the keys are fetched', async () => fetches(issuer) > before);
    await until('they are known', async () => {
      await server.clock.advance(minute);
      return (await status(server, old)) === 401;
    });
    assert.equal(await status(server, young), 200);
    assert.ok(server.clock.now() < (decodeJwt(old).exp ?? 0) * 1000, 'and not because it had ended');
  });

  it('are answered 503 until the issuer is there for the first time, and are known when it is away later', async () => {
    const [one, two] = [newIssuerKey('one'), newIssuerKey('two')];
    await using issuer = await OidcIssuer.start([builder], [two]);
    const unknown = await issuer.token(builder, here);
    await issuer.startAgain([one]);
    const token = await issuer.token(builder, here);
    await issuer.stop();
    await using server = await trusting(issuer);
    const answer = await fetch(`${server.url}/v2/`, { headers: { authorization: `Bearer ${token}` } });
    assert.deepEqual([answer.status, await codeOf(answer)], [503, 'UNAVAILABLE']);
    assert.equal((await fetch(`${server.url}/v2/`)).status, 401);
    await issuer.startAgain([one]);
    await server.clock.advance(5000);
    assert.equal(await status(server, token), 200);
    await issuer.stop();
    for (let time = 0; time < 3; time += 1) {
      await server.clock.advance(11 * minute);
      assert.equal(await status(server, token), 200);
      assert.equal(await status(server, unknown), 401);
    }
    const said = server.log.at('error').filter((line) => line.includes('the keys of an issuer'));
    // Once for each time that it went.
    assert.equal(said.length, 2);
  });
});
