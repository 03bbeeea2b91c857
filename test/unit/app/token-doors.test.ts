import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { basicHeader } from '#test/fakes/passwords.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';
import { opened, sent, alice as signsIn } from '#test/fakes/sign-in-app.ts';
import { asked, password, posted, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

const alice = { authorization: basicHeader('alice', password) };
const clientSecret = secret('of the program');
const grant = { grant_type: 'client_credentials', client_id: '000000', client_secret: clientSecret };

type Kinds = readonly ('basic' | 'tokenService' | 'oauth' | 'issuers')[];

interface Doors extends AsyncDisposable {
  readonly server: TokenApp;
  /** Of each door of `listeners`. */
  readonly urls: readonly string[];
}

/** A server that knows users, gives Docker's tokens and those of programs, with further doors. */
async function doors(
  listeners: readonly object[],
  more: object = {},
  clock?: FakeClock,
  atPort?: Kinds,
): Promise<Doors> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const secretFile = join(path, 'client');
  await writeFile(secretFile, clientSecret);
  const oauth = { clients: [{ id: '000000', secretFile }], signing: { algorithm: 'ES256' } };
  const there = listeners.map((listener) => ({ host: '127.0.0.1', port: 0, ...listener }));
  const options = { more: { listeners: there, ...more }, ...(clock !== undefined && { clock }) };
  const server = stack.use(await tokenApp({ oauth, ...(atPort !== undefined && { atPort }) }, options));
  const kept = stack.move();
  const urls = server.app.listeners.map(({ url }) => url);
  return { server, urls, [Symbol.asyncDispose]: async () => await kept.disposeAsync() };
}

async function statusOf(url: string, headers: Record<string, string> = {}): Promise<number> {
  return (await asked(url, { headers })).status;
}

async function dockerToken(url: string): Promise<Record<string, string>> {
  const scope = 'repository:team/a:pull';
  const { body } = await asked(`${url}/v2/token?scope=${scope}`, { headers: alice });
  return { authorization: `Bearer ${String(body['token'])}` };
}

async function programToken(url: string): Promise<Record<string, string>> {
  const { body } = await posted(`${url}/token`, grant);
  return { authorization: `Bearer ${String(body['access_token'])}` };
}

describe('a further door of the registry', () => {
  it('takes the kinds that it names, and gives their tokens alone', async () => {
    const kinds: readonly Kinds[] = [['basic'], ['tokenService'], ['oauth'], []];
    await using made = await doors(kinds.map((auth) => ({ serve: 'registry', auth })));
    const { server, urls } = made;
    const shown = [alice, await dockerToken(server.url), await programToken(server.url), {}];
    const path = '/v2/team/a/manifests/v1';
    const taken = async (url: string): Promise<readonly number[]> =>
      await Promise.all(shown.map(async (headers) => await statusOf(url + path, headers)));
    assert.deepEqual(await taken(server.url), [404, 404, 404, 401]);
    const [basic = '', tokens = '', oauth = '', none = ''] = urls;
    assert.deepEqual(await taken(basic), [404, 401, 401, 401]);
    assert.deepEqual(await taken(tokens), [401, 404, 401, 401]);
    assert.deepEqual(await taken(oauth), [401, 401, 404, 401]);
    // There nobody can say who he is, and is not asked.
    assert.deepEqual(await taken(none), [401, 401, 401, 403]);
    const given = async (url: string): Promise<readonly number[]> => [
      await statusOf(`${url}/v2/token`, alice),
      (await posted(`${url}/token`, grant)).status,
      await statusOf(`${url}/v2/token/jwks.json`),
    ];
    assert.deepEqual(await given(server.url), [200, 200, 200]);
    assert.deepEqual(await given(tokens), [200, 404, 200]);
    assert.deepEqual(await given(oauth), [404, 200, 200]);
  });

  it('is what the first one is too, where that says what it takes', async () => {
    await using made = await doors([{ serve: 'registry' }], {}, undefined, ['basic']);
    const { server, urls } = made;
    const [all = ''] = urls;
    const path = '/v2/team/a/manifests/v1';
    for (const shown of [await dockerToken(all), await programToken(all)]) {
      assert.equal(await statusOf(server.url + path, shown), 401);
      assert.equal(await statusOf(all + path, shown), 404);
    }
    assert.equal(await statusOf(server.url + path, alice), 404);
    const nobody = await asked(`${server.url}/v2/`);
    assert.equal(nobody.headers.get('www-authenticate'), 'Basic realm="ociregistry",charset="UTF-8"');
    assert.equal(await statusOf(`${server.url}/v2/token`, alice), 404);
    assert.equal((await posted(`${server.url}/token`, grant)).status, 404);
  });

  it('asks for what it takes', async () => {
    const kinds: readonly Kinds[] = [['basic'], ['tokenService', 'basic'], ['oauth']];
    await using made = await doors(kinds.map((auth) => ({ serve: 'registry', auth })));
    const challenges = await Promise.all(
      made.urls.map(async (url) => (await asked(`${url}/v2/`)).headers.get('www-authenticate')),
    );
    assert.deepEqual(challenges, [
      'Basic realm="ociregistry",charset="UTF-8"',
      'Bearer realm="https://cache.test/here/v2/token",service="cache.test"',
      'Bearer realm="https://cache.test/here/token"',
    ]);
  });
});

describe('a door of tokens', () => {
  it('gives tokens that are good at the others, and nothing else', async () => {
    await using made = await doors([{ serve: 'token' }, { serve: 'token', auth: ['oauth'] }]);
    const { server, urls } = made;
    const [both = '', programs = ''] = urls;
    const path = '/v2/team/a/manifests/v1';
    for (const shown of [await dockerToken(both), await programToken(both), await programToken(programs)])
      assert.equal(await statusOf(server.url + path, shown), 404);
    assert.equal(await statusOf(`${programs}/v2/token`, alice), 404);
    for (const other of ['/v2/', path, '/', '/cmd/image/list', '/v2/_catalog'])
      assert.equal(await statusOf(both + other, alice), 404, other);
    const { port } = new URL(both);
    const headers = ['Host', 'x', 'Authorization', alice.authorization, 'Authorization', alice.authorization];
    const twice = get({ host: '127.0.0.1', port, path: '/v2/token', headers });
    const [response] = (await once(twice, 'response')) as [IncomingMessage];
    response.resume();
    assert.equal(response.statusCode, 400);
    const deleted = await asked(`${both}/v2/token`, { method: 'DELETE' });
    assert.deepEqual([deleted.status, deleted.headers.get('allow')], [405, 'GET, POST']);
  });
});

describe('who asks for tokens', () => {
  const rateLimit = { requests: 3, per: '1m' };

  it('is counted by where he comes from, before anybody looks at his password', async () => {
    const clock = new FakeClock();
    const trustedProxies = ['127.0.0.1'];
    await using made = await doors([{ serve: 'token', rateLimit }], { trustedProxies }, clock);
    const [url = ''] = made.urls;
    const from = async (address: string): Promise<readonly [number, string | null]> => {
      const wrong = { authorization: basicHeader('alice', secret('wrong')), 'x-forwarded-for': address };
      const { status, headers } = await asked(`${url}/v2/token`, { headers: wrong });
      return [status, headers.get('ratelimit-remaining')];
    };
    for (const left of [2, 1, 0]) assert.deepEqual(await from('192.0.2.1'), [401, `${left};w=60`]);
    assert.deepEqual(await from('192.0.2.1'), [429, '0;w=60']);
    const over = await posted(`${url}/token`, grant, { 'x-forwarded-for': '192.0.2.1' });
    assert.deepEqual([over.status, over.headers.get('retry-after') !== null], [429, true]);
    assert.deepEqual(await from('192.0.2.2'), [401, '2;w=60']);
    // The other doors have no limit.
    assert.equal(await statusOf(`${made.server.url}/v2/token`, alice), 200);
    await clock.advance(62_000);
    assert.deepEqual(await from('192.0.2.1'), [401, '2;w=60']);
  });

  it('is counted on the pages on which users sign in, and by the grants of users', async () => {
    const clients = [
      {
        ...{ id: 'app', public: true, redirectUris: ['https://web.test/back'] },
        grants: ['authorization_code', 'device_code', 'password'],
      },
    ];
    const oauth = { clients, signing: { algorithm: 'ES256' } };
    const asks: readonly ((url: string) => Promise<{ readonly status: number }>)[] = [
      async (url) => await opened(`${url}/authorize?client_id=app`),
      async (url) => await sent(`${url}/authorize?client_id=app`, signsIn),
      async (url) => await opened(`${url}/device`),
      async (url) => await sent(`${url}/device`, signsIn),
      async (url) => await posted(`${url}/device_authorization`, { client_id: 'app' }),
      async (url) => await posted(`${url}/token`, { ...signsIn, grant_type: 'password', client_id: 'app' }),
    ];
    for (const [at, ask] of asks.entries()) {
      const more = { rateLimit: { requests: 1, per: '1m' } };
      await using server = await tokenApp({ oauth }, { clock: new FakeClock(), more });
      assert.notEqual((await ask(server.url)).status, 429, String(at));
      assert.equal((await ask(server.url)).status, 429, String(at));
    }
  });

  it('is counted at the doors of the registry too, and is in the log by his address', async () => {
    const trustedProxies = ['127.0.0.1'];
    await using made = await doors([], { rateLimit, trustedProxies });
    const statuses: number[] = [];
    for (let time = 0; time < 4; time += 1)
      statuses.push(
        await statusOf(`${made.server.url}/v2/token`, { ...alice, 'x-forwarded-for': '192.0.2.7' }),
      );
    assert.deepEqual(statuses, [200, 200, 200, 429]);
    const isTold = (line: string): boolean =>
      /\/v2\/token.*client: '192\.0\.2\.7'.*subject: 'alice'/s.test(line);
    while (!made.server.log.lines.some(isTold)) await new Promise((resolve) => setImmediate(resolve));
  });
});
