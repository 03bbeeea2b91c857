import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import { sha256 } from '#src/oci/digest.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { codeOf, HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';

/** Who asks is told by the proxy that we are. */
const [ann, owner, stranger] = ['10.0.0.1', '10.0.0.2', '192.0.2.1'];
const nowhere = `sha256:${'0'.repeat(64)}`;

interface Called {
  readonly body?: Uint8Array;
  readonly type?: string;
}

/** What node:http sends, without what fetch adds: else it would never be answered by the short way. */
async function read(method: string, url: URL, address: string): Promise<Response> {
  const { port, pathname, search } = url;
  const headers = { 'X-Forwarded-For': address };
  const answer = await ask({ port: Number(port) }, `${pathname}${search}`, { method, headers });
  const { status, body } = answer;
  const sent = Object.entries(answer.headers).map(([name, value]): [string, string] => [name, String(value)]);
  return new Response(status === 204 || method === 'HEAD' ? null : body, { status, headers: sent });
}

/** A client of the server that comes from this address, by whichever door. */
function from(address: string, url: string) {
  const call = async (method: string, path: string, { body, type }: Called = {}): Promise<Response> => {
    const target = new URL(path, url);
    if (method === 'GET' || method === 'HEAD') return await read(method, target, address);
    return await fetch(target, {
      method,
      headers: { 'X-Forwarded-For': address, ...(type === undefined ? {} : { 'Content-Type': type }) },
      ...(body === undefined ? {} : { body: body as NonNullable<RequestInit['body']> }),
    });
  };
  const status = async (method: string, path: string, sent?: Called): Promise<number> => {
    const response = await call(method, path, sent);
    await response.arrayBuffer();
    return response.status;
  };
  return { call, status };
}

interface World extends AsyncDisposable {
  readonly app: App;
  readonly upstream: FakeUpstream;
  readonly log: LogLines;
  readonly image: { readonly digest: string; readonly blob: string };
}

const trustedProxies = ['127.0.0.0/8'];
const access = [
  { name: 'owner', who: { cidr: owner }, repositories: ['**'], actions: ['pull', 'push', 'delete'] },
  {
    name: 'ann',
    who: { cidr: ann },
    repositories: ['team/a', '*/team/a'],
    actions: ['pull', 'push', 'delete'],
  },
] as const;

/** A server with `team/a` and `team/b` at an upstream and of its own. */
async function world(settings: object = {}, clock?: FakeClock): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const { path: imagePath } = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const images = ['a', 'b'].map((name) =>
    putImage(upstream.content, upstream.repository(`team/${name}`), 'v1', [bytes(1000)]),
  );
  const log = new LogLines();
  const app = stack.use(
    await runApp(
      {
        ...{ imagePath, trustedProxies, cache: { complete: false } },
        registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
        hosted: [{ repositories: ['team/*'] }],
        ...settings,
      },
      { log, ...(clock === undefined ? {} : { clock }) },
    ),
  );
  const moved = stack.move();
  const image = { digest: images[1]?.manifest.digest ?? '', blob: images[1]?.layers[0]?.digest ?? '' };
  return { app, upstream, log, image, [Symbol.asyncDispose]: async () => await moved.disposeAsync() };
}

/** The rules are about the registry by its name: its port is none of an alias. */
function rulesFor(): object {
  return { access: access.map((rule) => ({ ...rule, repositories: [...rule.repositories] })) };
}

describe('who may have team/a and not team/b', () => {
  const reads = ({ digest, blob }: World['image']): string[] => [
    'manifests/v1',
    `manifests/${digest}`,
    `blobs/${blob}`,
    'tags/list',
    `referrers/${digest}`,
    'manifests/none',
    `manifests/${nowhere}`,
    `blobs/${nowhere}`,
  ];

  it('has all of the one and nothing of the other, cached or not, by tag or digest, and upstream is asked for nothing', async () => {
    await using made = await world(rulesFor());
    const { app, upstream, image } = made;
    const [his, hers] = [from(ann, app.server.url), from(owner, app.server.url)];
    const denied = async (): Promise<void> => {
      for (const path of reads(image))
        for (const method of ['GET', 'HEAD'])
          assert.equal(await his.status(method, `/v2/up/team/b/${path}`), 403, path);
    };
    await denied();
    assert.deepEqual(upstream.calls, []);
    for (const path of reads(image).slice(0, 5))
      for (let time = 0; time < 3; time += 1)
        assert.equal(await hers.status('GET', `/v2/up/team/b/${path}`), 200, path);
    // Now it is cached, and answered out of memory.
    const before = upstream.calls.length;
    await denied();
    assert.equal(upstream.calls.length, before);
    for (const path of reads(image).slice(0, 5))
      assert.equal(await his.status('GET', `/v2/up/team/a/${path}`), 200, path);
    for (const [ns, name] of [
      [upstream.host, 'team/b'],
      ['up', 'team/b'],
    ])
      assert.notEqual(await his.status('GET', `/v2/${name}/manifests/v1?ns=${ns}`), 200);
    const answer = await his.call('GET', '/v2/up/team/b/manifests/v1');
    assert.equal(await codeOf(answer), 'DENIED');
    assert.equal(await from(stranger, app.server.url).status('GET', '/v2/up/team/a/manifests/v1'), 403);
  });

  it('pushes to the one and changes nothing of the other, nor takes a blob from it', async () => {
    await using made = await world(rulesFor());
    const { url } = made.app.server;
    const [his, hers] = [from(ann, url), from(owner, url)];
    const blob = bytes(500, 7);
    const digest = sha256(blob);
    const pushed = `blobs/uploads/?digest=${digest}`;
    assert.equal(await his.status('POST', `/v2/team/b/${pushed}`, { body: blob }), 403);
    assert.equal(await hers.status('POST', `/v2/team/b/${pushed}`, { body: blob }), 201);
    const upload = (await hers.call('POST', '/v2/team/b/blobs/uploads/')).headers.get('location') ?? '';
    for (const [method, path] of [
      ['POST', '/v2/team/b/blobs/uploads/'],
      ['GET', upload],
      ['PATCH', upload],
      ['PUT', `${upload}?digest=${digest}`],
      ['DELETE', upload],
      ['PUT', '/v2/team/b/manifests/v1'],
      ['DELETE', '/v2/team/b/manifests/v1'],
      ['DELETE', `/v2/team/b/blobs/${digest}`],
    ] as const)
      assert.equal(await his.status(method, path), 403, `${method} ${path}`);
    assert.equal(await hers.status('GET', upload), 204);
    const mount = `/v2/team/a/blobs/uploads/?mount=${digest}&from=team/b`;
    const began = await his.call('POST', mount);
    assert.equal(began.status, 202, 'as if it were not there');
    assert.equal(await his.status('HEAD', `/v2/team/a/blobs/${digest}`), 404);
    assert.equal(await hers.status('POST', mount), 201);
    assert.equal(await his.status('HEAD', `/v2/team/a/blobs/${digest}`), 200);
    assert.equal(await his.status('DELETE', `/v2/team/a/blobs/${digest}`), 202);
  });

  it('sees the one alone in the catalogue, in whole pages whatever their size', async () => {
    await using made = await world(rulesFor());
    const { app } = made;
    const hers = from(owner, app.server.url);
    for (const name of ['a', 'b', 'c', 'd'])
      assert.equal(
        await hers.status('PUT', `/v2/team/${name}/manifests/v1`, {
          body: Buffer.from(
            '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
          ),
          type: 'application/vnd.oci.image.index.v1+json',
        }),
        201,
      );
    await hers.status('GET', '/v2/up/team/a/manifests/v1');
    await hers.status('GET', '/v2/up/team/b/manifests/v1');
    const listed = async (address: string, query = ''): Promise<[unknown, string | null]> => {
      const response = await from(address, app.server.url).call('GET', `/v2/_catalog${query}`);
      const { repositories } = (await response.json()) as { repositories: string[] };
      return [repositories, response.headers.get('link')];
    };
    const all = ['team/a', 'team/b', 'team/c', 'team/d', 'up/team/a', 'up/team/b'];
    let seen: unknown[] = [];
    const giveUpAt = Date.now() + 10_000;
    while (seen.length < all.length && Date.now() < giveUpAt)
      [seen] = (await listed(owner)) as [unknown[], null];
    assert.deepEqual(seen, all);
    assert.deepEqual(await listed(ann), [['team/a', 'up/team/a'], null]);
    assert.deepEqual(await listed(ann, '?n=1'), [['team/a'], '</v2/_catalog?n=1&last=team%2Fa>; rel="next"']);
    assert.deepEqual(await listed(ann, '?n=1&last=team%2Fa'), [['up/team/a'], null]);
    assert.deepEqual(await listed(ann, '?n=10&last=team%2Fb'), [['up/team/a'], null]);
    const denied = await from(stranger, app.server.url).call('GET', '/v2/_catalog');
    assert.deepEqual([denied.status, await codeOf(denied)], [403, 'DENIED']);
  });

  it('is in the log with his address, what he asked for, and the rule', async () => {
    await using made = await world(rulesFor());
    const { app, log, image } = made;
    await from(ann, app.server.url).status('GET', '/v2/up/team/a/manifests/v1');
    await from(ann, app.server.url).status('HEAD', `/v2/up/team/b/blobs/${image.blob}`);
    while (log.lines.filter((line) => / request /.test(line)).length < 2)
      await new Promise((resolve) => setImmediate(resolve));
    const [had, refused] = log.lines.filter((line) => / request /.test(line));
    assert.match(
      had ?? '',
      /client: '10\.0\.0\.1'.*repository: '127\.0\.0\.1:\d+\/team\/a'.*digest: 'sha256:.*rule: 'ann'/s,
    );
    assert.match(
      refused ?? '',
      new RegExp(`status: 403.*client: '10\\.0\\.0\\.1'.*digest: '${image.blob}'`, 's'),
    );
    assert.match(refused ?? '', /no rule lets you pull here/);
  });

  it('is nobody else by what he writes himself', async () => {
    await using made = await world({ ...rulesFor(), trustedProxies: ['198.51.100.1'] });
    assert.equal(await from(owner, made.app.server.url).status('GET', '/v2/up/team/a/manifests/v1'), 403);
  });
});

describe('a policy', () => {
  const policy = [
    { name: 'no-dev', repositories: ['**:*-dev'], effect: 'deny' },
    { name: 'no-b', repositories: ['*/team/b'], effect: 'deny' },
  ];
  const open = { hosted: [{ repositories: ['team/*'], open: true }] };

  it('keeps back what is cached too, by its tag, its digest and its blobs, for whomever, with its name', async () => {
    await using stack = new AsyncDisposableStack();
    const { path: imagePath } = stack.use(await temporaryDirectory());
    let image: Awaited<ReturnType<HostedClient['pushImage']>>;
    let index: { digest: string };
    {
      await using app = await runApp({ imagePath, ...open });
      const client = new HostedClient(app.server.url, 'team/x');
      image = await client.pushImage('one', [bytes(1000, 1)]);
      const { digest } = image;
      await client.status('DELETE', 'manifests/one');
      const type = 'application/vnd.oci.image.index.v1+json';
      const manifests = [
        { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest, size: image.bytes.length },
      ];
      const text = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: type, manifests }));
      assert.equal((await client.putManifest('v1-dev', text, type)).status, 201);
      index = { digest: sha256(text) };
      await client.pushImage('v1', [bytes(1000, 2)]);
    }
    const clock = new FakeClock();
    await using app = await runApp({ imagePath, ...open, policy } as never, { clock });
    const client = new HostedClient(app.server.url, 'team/x');
    const kept = ['manifests/v1-dev', ...[index, image].map(({ digest }) => `manifests/${digest}`)];
    for (const path of [...kept, `blobs/${image.blobs[0]}`, `referrers/${image.digest}`]) {
      const answer = await client.call('GET', path);
      assert.equal(answer.status, 403, path);
      assert.match(await answer.text(), /"DENIED".*the policy \\"no-dev\\" does not let it pass/);
      assert.equal(await client.status('HEAD', path), 403, path);
    }
    assert.equal(await client.status('GET', 'manifests/v1'), 200);
    assert.equal(await client.status('GET', 'tags/list'), 200);
    const elsewhere = new HostedClient(app.server.url, 'team/y');
    const mount = `blobs/uploads/?mount=${image.blobs[0]}&from=team/x`;
    assert.equal(await elsewhere.status('POST', mount), 202, 'as if it were not there');
    // By a tag that may pass it may pass.
    assert.equal((await client.putManifest('v2', image.bytes)).status, 201);
    await clock.advance(10_000);
    assert.equal(await client.status('GET', `manifests/${image.digest}`), 200);
    assert.equal(await client.status('GET', `blobs/${image.blobs[0]}`), 200);
    assert.equal(await elsewhere.status('POST', mount), 201);
    assert.equal(await client.status('GET', `manifests/${index.digest}`), 403);
  });

  it('keeps others from pushing what may not pass, by a parameter too, and lets them remove it', async () => {
    await using made = await world({ ...open, policy });
    const client = new HostedClient(made.app.server.url, 'team/x');
    const image = await client.made([bytes(10)]);
    for (const path of ['v1-dev', `${image.digest}?tag=v1&tag=v1-dev`])
      assert.equal((await client.putManifest(path, image.bytes)).status, 403);
    assert.equal((await client.putManifest(`${image.digest}?tag=v1`, image.bytes)).status, 201);
    assert.equal(await client.status('DELETE', 'manifests/v1-dev'), 404);
  });

  it('asks upstream for nothing that may not pass, and does not show it in the catalogue', async () => {
    await using made = await world({ policy });
    const { app, upstream, image } = made;
    const client = new HostedClient(app.server.url, 'up/team/b');
    for (const path of ['manifests/v1', `manifests/${image.digest}`, `blobs/${image.blob}`, 'tags/list'])
      assert.equal(await client.status('GET', path), 403, path);
    assert.equal(await client.status('GET', '/v2/up/team/a/manifests/v1-dev'), 403);
    assert.deepEqual(upstream.calls, []);
    assert.equal(await client.status('GET', '/v2/up/team/a/manifests/v1'), 200);
  });
});

describe('a further door of the registry', () => {
  it('has its own limit, and the rules, the content and no administration of the first', async () => {
    const limited = { host: '127.0.0.1', port: 0, serve: 'registry' as const };
    const rateLimit = { requests: 15, per: '1m' };
    await using made = await world({ ...rulesFor(), listeners: [{ ...limited, rateLimit }, limited] });
    const { app } = made;
    const [first, second] = app.listeners.map(({ url }) => from(ann, url));
    assert.ok(first !== undefined && second !== undefined);
    const answers: number[] = [];
    for (let time = 0; time < 16; time += 1)
      answers.push(await first.status('GET', '/v2/up/team/a/manifests/v1'));
    assert.deepEqual(answers, [...Array.from({ length: 15 }, () => 200), 429]);
    const over = await first.call('GET', '/v2/up/team/a/manifests/v1');
    assert.equal(await codeOf(over), 'TOOMANYREQUESTS');
    assert.equal(over.headers.get('ratelimit-limit'), '15;w=60');
    assert.equal(over.headers.get('ratelimit-remaining'), '0;w=60');
    assert.ok(Number(over.headers.get('retry-after')) >= 1);
    assert.equal(await from(owner, app.listeners[0]?.url ?? '').status('GET', '/v2/'), 200);
    assert.equal(await second.status('GET', '/v2/up/team/a/manifests/v1'), 200);
    assert.equal(await second.status('GET', '/v2/up/team/b/manifests/v1'), 403);
    assert.equal(await second.status('GET', '/cmd/image/list'), 404);
    assert.equal(
      await second.status('POST', `/v2/team/a/blobs/uploads/?digest=${sha256(bytes(9))}`, { body: bytes(9) }),
      201,
    );
  });

  it('tells in every answer to what is counted how much is left, and counts what asks for a repository, the version, the catalogue or a token', async () => {
    await using directory = await temporaryDirectory();
    const secretFile = join(directory.path, 'secret');
    await writeFile(secretFile, secret('of events'));
    const issuers = [{ issuer: 'https://issuer.test', audience: 'cache' }];
    const oauth = { clients: [], signing: { algorithm: 'ES256' } };
    await using made = await world({
      rateLimit: { requests: 1000, per: '1m' },
      auth: { issuers, oauth },
      access: [
        { name: 'all', who: 'anyone', repositories: ['team/*', '*/team/*'], actions: ['pull', 'push'] },
      ],
      notifications: { incoming: { secretFile } },
    });
    const { call } = from(ann, made.app.server.url);
    const isCounted = async (method: string, path: string): Promise<[status: number, isCounted: boolean]> => {
      const response = await call(method, path);
      await response.arrayBuffer();
      const names = ['limit', 'remaining', 'reset'].map((name) => response.headers.has(`ratelimit-${name}`));
      assert.equal(new Set(names).size, 1, path);
      return [response.status, names[0] === true];
    };
    const pull = '/v2/up/team/a/manifests';
    for (const [method, path, status] of [
      ['GET', `${pull}/v1`, 200],
      ['HEAD', `${pull}/v1`, 200],
      ['GET', `${pull}/none`, 404],
      ['GET', '/v2/up/TEAM/manifests/v1', 400],
      ['GET', '/v2/_catalog', 200],
      ['GET', '/v2/', 401],
      ['GET', '/v2/up/other/manifests/v1', 401],
      ['POST', '/v2/team/a/blobs/uploads/', 202],
      ['GET', '/v2/token/jwks.json', 200],
      ['POST', '/token', 400],
      ['GET', '/token', 405],
    ] as const)
      assert.deepEqual(await isCounted(method, path), [status, true], `${method} ${path}`);
    for (const [method, path, status] of [
      ['GET', '/', 200],
      ['GET', '/nothing', 404],
      ['GET', '/v2/nothing', 404],
      ['POST', `${pull}/v1`, 405],
      ['OPTIONS', '/v2/', 405],
      ['POST', '/v2/webhooks/events', 401],
      ['GET', '/cmd/image/list', 403],
    ] as const)
      assert.deepEqual(await isCounted(method, path), [status, false], `${method} ${path}`);
  });

  it('tells in every answer how much is left, by the short way too', async () => {
    const rateLimit = { requests: 100, per: '1m' };
    await using made = await world({ rateLimit });
    const left: (string | null)[] = [];
    for (let time = 0; time < 5; time += 1) {
      const response = await from(ann, made.app.server.url).call('GET', '/v2/up/team/a/manifests/v1');
      await response.arrayBuffer();
      left.push(response.headers.get('ratelimit-remaining'));
    }
    assert.deepEqual(left, ['99;w=60', '98;w=60', '97;w=60', '96;w=60', '95;w=60']);
  });
});

describe('a server without rules', () => {
  it('is open for pulls and closed for writes, as ever', async () => {
    await using made = await world({ trustedProxies: [] });
    const client = from(stranger, made.app.server.url);
    assert.equal(await client.status('GET', '/v2/up/team/a/manifests/v1'), 200);
    assert.equal(await client.status('POST', '/v2/team/a/blobs/uploads/'), 403);
    const response = await client.call('GET', '/v2/');
    assert.equal(response.headers.get('ratelimit-limit'), null);
  });
});
