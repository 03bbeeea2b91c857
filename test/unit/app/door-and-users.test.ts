import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { until } from '#test/e2e/support/until.ts';
import { EventReceiver } from '#test/fakes/event-receiver.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { basicHeader, bcrypt } from '#test/fakes/passwords.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertSecretless, secret } from '#test/fakes/secrets.ts';
import { asked, password, type TokenApp, tokenApp } from '#test/fakes/token-app.ts';

/** What somebody shows: the header Authorization. */
type Shown = string | undefined;

const all = ['pull', 'push', 'delete'];
const alice = basicHeader('alice', password);
const owner = basicHeader('owner', password);
const wrong = basicHeader('alice', secret('wrong'));

interface World extends AsyncDisposable {
  readonly server: TokenApp;
  readonly upstream: FakeUpstream;
  /** Of `team/b` at upstream. */
  readonly image: { readonly digest: string; readonly blob: string };
  status(shown: Shown, method: string, path: string, body?: Uint8Array): Promise<number>;
  /** A token for what this user asks for. */
  token(shown: Shown, ...scopes: readonly string[]): Promise<string>;
}

/** `team/a`, `team/b` and `open/x` at an upstream and of its own; alice may have the first alone, nobody in particular the last. */
async function world(more: object = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await FakeUpstream.start());
  const [, b] = ['team/a', 'team/b', 'open/x'].map((name) =>
    putImage(upstream.content, upstream.repository(name), 'v1', [bytes(1000)]),
  );
  const { path } = stack.use(await temporaryDirectory());
  const htpasswdFile = join(path, 'users');
  await writeFile(htpasswdFile, ['alice', 'owner'].map((name) => `${name}:${bcrypt(password)}\n`).join(''));
  const server = stack.use(
    await tokenApp(
      { basic: { htpasswdFile } },
      {
        more: {
          cache: { complete: false },
          registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
          hosted: [{ repositories: ['team/*', 'open/*'] }],
          access: [
            { name: 'owner', who: { user: 'owner' }, repositories: ['**'], actions: all },
            { name: 'alice', who: { user: 'alice' }, repositories: ['team/a', '*/team/a'], actions: all },
            { name: 'open', who: 'anyone', repositories: ['open/*', '*/open/*'], actions: ['pull'] },
          ],
          ...more,
        },
      },
    ),
  );
  const kept = stack.move();
  const { port } = new URL(server.url);
  return {
    ...{ server, upstream, image: { digest: b?.manifest.digest ?? '', blob: b?.layers[0]?.digest ?? '' } },
    // As a client that adds no header of its own: else none is answered out of memory.
    status: async (shown, method, path, body) => {
      const headers = shown === undefined ? {} : { Authorization: shown };
      if (body === undefined) return (await ask({ port: Number(port) }, path, { method, headers })).status;
      return (await fetch(new URL(path, server.url), { method, headers, body: new Blob([body.slice()]) }))
        .status;
    },
    token: async (shown, ...scopes) => {
      const query = new URLSearchParams(scopes.map((scope): [string, string] => ['scope', scope]));
      const headers = shown === undefined ? {} : { authorization: shown };
      const answer = await asked(`${server.url}/v2/token?${query}`, { headers });
      assert.equal(answer.status, 200);
      return `Bearer ${String(answer.body['token'])}`;
    },
    [Symbol.asyncDispose]: async () => await kept.disposeAsync(),
  };
}

const reads = ({ digest, blob }: World['image']): readonly string[] =>
  ['manifests/v1', `manifests/${digest}`, `blobs/${blob}`, 'tags/list', `referrers/${digest}`].map(
    (path) => `/v2/up/team/b/${path}`,
  );

describe('a user who may have team/a and not team/b', () => {
  it('reads nothing of the other by password or token, cached or not, and upstream hears nothing of it', async () => {
    await using made = await world();
    const { upstream, image, status } = made;
    const his = [
      [alice, 403],
      [await made.token(alice, 'repository:up/team/b:pull', 'repository:up/team/a:pull'), 403],
      [await made.token(undefined, 'repository:up/open/x:pull'), 401],
      [undefined, 401],
      [wrong, 401],
      ['Bearer of.no.use', 401],
    ] as const;
    const kept = async (): Promise<void> => {
      for (const [shown, answer] of his)
        for (const path of reads(image))
          for (const method of ['GET', 'HEAD'])
            assert.equal(await status(shown, method, path), answer, `${method} ${path}`);
    };
    await kept();
    assert.deepEqual(upstream.calls, []);
    for (const path of reads(image))
      for (let time = 0; time < 3; time += 1) assert.equal(await status(owner, 'GET', path), 200, path);
    // Now it is cached, and answered out of memory to whoever may have it.
    const before = upstream.calls.length;
    await kept();
    assert.equal(upstream.calls.length, before);
    assertSecretless(made.server.log, 'the log');
  });

  it('has what he may with each, and a token is good for nothing else', async () => {
    await using made = await world();
    const { status } = made;
    const path = '/v2/up/team/a/manifests/v1';
    const token = await made.token(alice, 'repository:up/team/a:pull');
    for (const shown of [alice, token]) assert.equal(await status(shown, 'GET', path), 200);
    for (const scope of [
      'repository:team/b:pull',
      'repository:up/team/a:push',
      'repository:up/team/../team/a:pull',
    ])
      assert.equal(await status(await made.token(alice, scope), 'GET', path), 401, scope);
    // By another name it is another repository, whatever the path says.
    const elsewhere = `/v2/team/a/manifests/v1?ns=${made.upstream.host}`;
    assert.equal(await status(await made.token(alice, 'repository:team/a:pull'), 'GET', elsewhere), 401);
  });

  it('changes nothing of the other and takes no blob from it, with a token as without', async () => {
    await using made = await world();
    const { status, server } = made;
    const blob = bytes(500, 7);
    const digest = sha256(blob);
    const push = (name: string): string => `/v2/${name}/blobs/uploads/?digest=${digest}`;
    assert.equal(await status(owner, 'POST', push('team/b'), blob), 201);
    const headers = { authorization: owner };
    const began = await fetch(`${server.url}/v2/team/b/blobs/uploads/`, { method: 'POST', headers });
    const location = new URL(began.headers.get('location') ?? '', server.url);
    const upload = location.pathname.replace(/^\/here/, '') + location.search;
    const both = ['repository:team/a:pull,push,delete', 'repository:team/b:pull,push,delete'];
    const token = await made.token(alice, ...both);
    for (const shown of [alice, token]) {
      for (const [method, path] of [
        ['POST', push('team/b')],
        ['GET', upload],
        ['PATCH', upload],
        ['PUT', upload],
        ['DELETE', upload],
        ['PUT', '/v2/team/b/manifests/v1'],
        ['DELETE', '/v2/team/b/manifests/v1'],
        ['DELETE', `/v2/team/b/blobs/${digest}`],
      ] as const)
        assert.equal(await status(shown, method, path), 403, `${method} ${path}`);
      assert.equal(await status(shown, 'POST', `/v2/team/a/blobs/uploads/?mount=${digest}&from=team/b`), 202);
      assert.equal(await status(shown, 'HEAD', `/v2/team/a/blobs/${digest}`), 404);
    }
    assert.equal(await status(owner, 'GET', upload), 204);
    const reader = await made.token(alice, 'repository:team/a:pull');
    assert.equal(await status(reader, 'POST', push('team/a'), blob), 401);
    assert.equal(await status(token, 'POST', push('team/a'), blob), 201);
    assert.equal(await status(owner, 'HEAD', `/v2/team/b/blobs/${digest}`), 200);
  });

  it('sees in the catalogue what he may pull, and nobody in particular what is for anybody', async () => {
    await using made = await world();
    const { status, server } = made;
    const index = Buffer.from(
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    );
    for (const name of ['team/a', 'team/b', 'open/x']) {
      const type = { 'content-type': 'application/vnd.oci.image.index.v1+json' };
      const headers = { authorization: owner, ...type };
      const url = `${server.url}/v2/${name}/manifests/v1`;
      assert.equal((await fetch(url, { method: 'PUT', headers, body: index })).status, 201);
    }
    const listed = async (shown: Shown): Promise<unknown> => {
      const headers = shown === undefined ? {} : { authorization: shown };
      return (await asked(`${server.url}/v2/_catalog`, { headers })).body['repositories'];
    };
    const catalog = 'registry:catalog:*';
    assert.deepEqual(await listed(owner), ['open/x', 'team/a', 'team/b']);
    for (const shown of [alice, await made.token(alice, catalog)])
      assert.deepEqual(await listed(shown), ['open/x', 'team/a']);
    for (const shown of [undefined, await made.token(undefined, catalog)])
      assert.deepEqual(await listed(shown), ['open/x']);
    assert.equal(await status(await made.token(alice, 'repository:team/a:pull'), 'GET', '/v2/_catalog'), 401);
  });
});

describe('who is known', () => {
  it('stands in the log, and in what others are told, by name: for each answer out of memory too', async () => {
    await using receiver = await EventReceiver.start();
    const events = ['push', 'pull', 'delete', 'mount'];
    await using made = await world({ notifications: { endpoints: [{ url: receiver.url, events }] } });
    const { status, server } = made;
    const path = '/v2/up/team/a/manifests/v1';
    const token = await made.token(alice, 'repository:up/team/a:pull');
    for (const shown of [alice, alice, alice, alice, token, token])
      assert.equal(await status(shown, 'GET', path), 200);
    assert.equal(await status(undefined, 'GET', '/v2/up/open/x/manifests/v1'), 200);
    const blob = bytes(500, 7);
    const push = `/v2/team/a/blobs/uploads/?digest=${sha256(blob)}`;
    assert.equal(await status(alice, 'POST', push, blob), 201);
    assert.equal(await status(alice, 'DELETE', `/v2/team/a/blobs/${sha256(blob)}`), 202);
    const lines = (): readonly string[] =>
      server.log.lines.filter((line) => line.includes(`url: '${path}'`) && line.includes('request'));
    await until('all are over', async () => lines().length === 6);
    for (const line of lines())
      assert.match(
        line,
        /client: '127\.0\.0\.1'.*subject: 'alice'.*repository: '127\.0\.0\.1:\d+\/team\/a'.*digest: 'sha256:[0-9a-f]{64}'.*rule: 'alice'/s,
      );
    for (const action of ['push', 'delete'])
      assert.deepEqual((await receiver.event((event) => event.action === action)).actor, { name: 'alice' });
    const pulls = (): readonly unknown[] =>
      receiver.events
        .filter(({ action }) => action === 'pull')
        .map(({ actor, target }) => [target['repository'], actor]);
    await until('all is told', async () => pulls().length === 7);
    assert.deepEqual(pulls(), [
      ...Array.from({ length: 6 }, () => ['up/team/a', { name: 'alice' }]),
      ['up/open/x', {}],
    ]);
    assertSecretless(receiver.received, 'what is told');
    assertSecretless(server.log, 'the log');
  });
});

describe('a token for nobody in particular', () => {
  it('is good for what anybody may have, and asks who he is for more', async () => {
    await using made = await world();
    const token = await made.token(undefined, 'repository:up/open/x:pull');
    assert.equal(await made.status(token, 'GET', '/v2/up/open/x/manifests/v1'), 200);
    const headers = { authorization: token };
    const refused = await asked(`${made.server.url}/v2/up/team/a/manifests/v1`, { headers });
    assert.equal(refused.status, 401);
    assert.match(
      refused.headers.get('www-authenticate') ?? '',
      /^Bearer realm="https:\/\/cache\.test\/here\/v2\/token",service="cache\.test",scope="repository:up\/team\/a:pull"/,
    );
    const none = await asked(`${made.server.url}/v2/token?scope=repository:up/team/a:pull`);
    assert.equal(none.status, 401);
  });
});

describe('who shows wrong passwords where there is a limit', () => {
  it('is counted before they are looked at, and has 429 with Retry-After behind it, without a look', async () => {
    await using made = await world({ rateLimit: { requests: 4, per: '1h' } });
    const { url } = made.server;
    const shown = async (authorization: string | undefined, path = '/v2/up/open/x/manifests/v1') => {
      const { status, headers } = await asked(`${url}${path}`, {
        headers: authorization ? { authorization } : {},
      });
      return [status, headers.get('ratelimit-remaining'), headers.has('retry-after')];
    };
    assert.deepEqual(await shown(alice, '/v2/up/team/a/manifests/v1'), [200, '3;w=3600', false]);
    for (const left of [3, 2, 1, 0])
      assert.deepEqual(await shown(basicHeader('bob', secret(`wrong ${left}`))), [
        401,
        `${left};w=3600`,
        false,
      ]);
    // The right one of somebody who is not known yet neither; who is known has his own.
    for (const one of [basicHeader('bob', secret('wrong')), owner, undefined])
      assert.deepEqual(await shown(one), [429, '0;w=3600', true]);
    assert.deepEqual(await shown(alice, '/v2/up/team/a/manifests/v1'), [200, '2;w=3600', false]);
  });
});

/** The statuses of reads with these credentials, sent one behind the other on one connection. */
async function sentAtOnce(
  { url }: TokenApp,
  path: string,
  shown: readonly string[],
): Promise<readonly number[]> {
  const socket = connect({ host: '127.0.0.1', port: Number(new URL(url).port) });
  for (const [at, authorization] of shown.entries()) {
    const last = at === shown.length - 1 ? ['Connection: close'] : [];
    socket.write(
      [`GET ${path} HTTP/1.1`, 'Host: x', `Authorization: ${authorization}`, ...last, '', ''].join('\r\n'),
    );
  }
  const answers = Buffer.concat(await socket.toArray()).toString('latin1');
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status]) => Number(status));
}

describe('two credentials in one request', () => {
  it('are refused, though the answer is in memory for each of them', async () => {
    await using made = await world();
    const path = '/v2/up/team/a/manifests/v1';
    for (let time = 0; time < 3; time += 1) assert.equal(await made.status(alice, 'GET', path), 200);
    const twice = [`${alice}\r\nAuthorization: ${wrong}`, `${alice}\r\nauthorization: ${alice}`];
    assert.deepEqual(await sentAtOnce(made.server, path, [alice, ...twice]), [200, 400, 400]);
  });
});

describe('a thousand wrong passwords', () => {
  it('are answered 401 or 429, and keep nobody from his pulls who is known', async () => {
    await using made = await world();
    const path = '/v2/up/team/a/manifests/v1';
    assert.equal(await made.status(alice, 'GET', path), 200);
    const answers: number[] = [];
    for (let wave = 0; wave < 10; wave += 1) {
      const flood = Array.from({ length: 10 }, async (_, of) => {
        const wrongs = Array.from({ length: 10 }, (_one, at) =>
          basicHeader(`user-${at % 7}`, `${secret('wrong')}-${wave}-${of}-${at}`),
        );
        return await sentAtOnce(made.server, path, wrongs);
      });
      for (const _ of Array.from({ length: 3 })) assert.equal(await made.status(alice, 'GET', path), 200);
      answers.push(...(await Promise.all(flood)).flat());
    }
    assert.equal(answers.length, 1000);
    assert.deepEqual([...new Set(answers)].toSorted(), [401, 429]);
    // Behind ten none is looked at.
    assert.ok(answers.filter((status) => status === 401).length <= 20);
    assertSecretless(made.server.log, 'the log');
  });
});
