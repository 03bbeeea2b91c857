import assert from 'node:assert/strict';
import { once } from 'node:events';
import { truncate, writeFile } from 'node:fs/promises';
import { get, type IncomingMessage, request } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '#src/app/app.ts';
import { pruneImages } from '#src/app/prune.ts';
import type { Clock } from '#src/base/clock.ts';
import { type Flags, loadConfig } from '#src/config/load.ts';
import { signed } from '#src/notify/signature.ts';
import { freePort } from '#test/e2e/support/free-port.ts';
import { EventReceiver } from '#test/fakes/event-receiver.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { type Answer, ask, codeOf } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';

/** Bounded by ten seconds: machines are slow. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, 'it does not come to that');
    await sleep(10);
  }
}

async function listed({ server }: App): Promise<string> {
  return (await ask(server, '/cmd/manifest/list?pattern=team/app')).body.toString();
}

/** A server behind an upstream with one image. */
async function running(settings: Flags = {}, clock?: Clock) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const log = new LogLines();
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const cache = { complete: false };
  const app = stack.use(
    await runApp(
      { imagePath: directory.path, registries, cache, ...settings },
      { log, ...(clock && { clock }) },
    ),
  );
  const image = put(upstream, 1);
  const moved = stack.move();
  return {
    ...{ app, upstream, image, log, name: `${upstream.host}/team/app`, imagePath: directory.path },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

function put(upstream: FakeUpstream, seed: number, tag = 'v1') {
  return putImage(upstream.content, upstream.repository('team/app'), tag, [bytes(1000, seed)]);
}

describe('what becomes of content', () => {
  it('is told: what has come, which tag has moved, what is gone and what had to go', async () => {
    await using receiver = await EventReceiver.start();
    await using made = await running({
      notifications: { endpoints: [{ url: receiver.url }] },
      cache: { complete: false, freshness: 'always', negativeTtl: 0 },
      admin: {},
    });
    const { app, upstream, image } = made;
    const path = '/v2/up/team/app/manifests/v1';
    await ask(app.server, path);
    const { manifest, layers } = image;
    const filled = await receiver.event(
      ({ action, target }) => action === 'fill' && target['digest'] === manifest.digest,
    );
    assert.deepEqual(
      [filled.target['repository'], filled.target['tag'], filled.target['size']],
      ['up/team/app', 'v1', manifest.size],
    );
    await ask(app.server, `/v2/up/team/app/blobs/${layers[0]?.digest}`);
    await receiver.event(({ action, target }) => action === 'fill' && target['digest'] === layers[0]?.digest);
    const newer = put(upstream, 2);
    await ask(app.server, path);
    const moved = await receiver.event(({ action }) => action === 'moved');
    assert.deepEqual(
      [moved.target['fromDigest'], moved.target['digest']],
      [manifest.digest, newer.manifest.digest],
    );
    upstream.faults.push(async () => ({ status: 404, headers: {} }));
    for (let times = 0; times < 3; times += 1) await ask(app.server, path);
    const gone = await receiver.event(({ action }) => action === 'gone');
    assert.deepEqual([gone.target['repository'], gone.target['tag']], ['up/team/app', 'v1']);
    await ask(app.server, '/cmd/prune?type=pattern&expr=team/app&dryRun=false', { method: 'DELETE' });
    const evicted = await receiver.event(
      ({ action, target }) => action === 'evict' && target['digest'] === newer.manifest.digest,
    );
    assert.deepEqual(evicted.target['tags'], ['v1']);
    // Told once, however often it is found so.
    assert.equal(receiver.events.filter(({ action }) => action === 'gone').length, 1);
    assert.deepEqual(
      receiver.events.filter(({ action }) => action === 'pull'),
      [],
    );
  });

  it('is told of pulls where somebody asks for them: each GET of a manifest that was answered, from memory too', async () => {
    await using receiver = await EventReceiver.start();
    await using made = await running({
      notifications: { endpoints: [{ url: receiver.url, events: ['pull'] }] },
    });
    const { app, image } = made;
    const { digest, size } = image.manifest;
    const headers = { 'User-Agent': 'containerd/2.1' };
    const path = '/v2/up/team/app/manifests/v1';
    for (let times = 0; times < 4; times += 1) await ask(app.server, path, { headers });
    await ask(app.server, path, { method: 'HEAD' });
    await ask(app.server, path, { headers: { 'If-None-Match': `"${digest}"` } });
    await ask(app.server, '/v2/up/team/app/manifests/nothing');
    await ask(app.server, `/v2/up/team/app/manifests/${digest}`);
    await receiver.event(({ target }) => target['tag'] === undefined);
    assert.deepEqual(
      receiver.events.map(({ action, target }) => [action, target['tag']]),
      [...Array.from({ length: 4 }, () => ['pull', 'v1']), ['pull', undefined]],
    );
    const { target, request } = receiver.events[3] ?? {};
    assert.deepEqual(
      [target?.['repository'], target?.['digest'], target?.['size']],
      ['up/team/app', digest, size],
    );
    assert.deepEqual(
      [request?.['method'], request?.['useragent'], request?.['host']],
      ['GET', 'containerd/2.1', `127.0.0.1:${app.server.port}`],
    );
  });

  it('is told by the server, too, where a command beside it has done it', async () => {
    await using receiver = await EventReceiver.start();
    const notifications = { endpoints: [{ url: receiver.url, events: ['evict' as const] }] };
    await using made = await running({ notifications });
    const { app, image, imagePath } = made;
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await until(async () => (await listed(app)).includes(':v1'));
    const { config } = await loadConfig({ flags: { imagePath, notifications }, env: {} });
    const { signal } = new AbortController();
    await pruneImages(config, {}, false, async () => {}, { log: new LogLines(), signal, graceMs: -1000 });
    const evicted = await receiver.event(({ action }) => action === 'evict');
    assert.deepEqual([evicted.target['digest'], evicted.target['tags']], [image.manifest.digest, ['v1']]);
  });

  it('holds up no pull where nobody answers who is told', async () => {
    await using receiver = await EventReceiver.start();
    receiver.status = undefined;
    await using made = await running({
      notifications: { endpoints: [{ url: receiver.url, events: ['pull', 'fill'] }] },
    });
    const { app } = made;
    for (let times = 0; times < 20; times += 1)
      assert.equal((await ask(app.server, '/v2/up/team/app/manifests/v1')).status, 200);
    assert.ok(receiver.received.length <= 1);
  });
});

const credential = secret('events');

/** A server that takes events of who has the secret. */
async function listening(more: object = {}, settings: Flags = {}) {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const secretFile = join(path, 'secret');
  await writeFile(secretFile, credential);
  const made = stack.use(
    await running({ notifications: { incoming: { secretFile, ...more } }, ...settings }),
  );
  const { app, upstream } = made;
  await ask(app.server, '/v2/up/team/app/manifests/v1');
  await until(async () => await isHit(app));
  upstream.requests.splice(0);
  const moved = stack.move();
  return { ...made, [Symbol.asyncDispose]: async () => await moved.disposeAsync() };
}

async function isHit(app: App, path = '/v2/up/team/app/manifests/v1'): Promise<boolean> {
  return (await ask(app.server, path, { method: 'HEAD' })).headers['cache-status'] === 'ociregistry; hit';
}

async function digestOf(app: App, path = '/v2/up/team/app/manifests/v1'): Promise<unknown> {
  return (await ask(app.server, path, { method: 'HEAD' })).headers['docker-content-digest'];
}

function push(host: string, id: string, target: object = { repository: 'team/app', tag: 'v1' }) {
  return { id, action: 'push', target, request: { host } };
}

async function tell(
  app: App,
  events: readonly object[],
  { headers, query = '' }: { headers?: Record<string, string>; query?: string } = {},
): Promise<Answer> {
  const body = JSON.stringify({ events });
  const shown = headers ?? signed(body, credential, Date.now());
  return await ask(app.server, `/v2/webhooks/events${query}`, { method: 'POST', body, headers: shown });
}

describe('what registries tell us', () => {
  it('has the tag asked about at once, though it is fresh for ever, and only once however often it is told', async () => {
    await using made = await listening();
    const { app, upstream } = made;
    const newer = put(upstream, 2);
    const event = push(upstream.host, 'e1');
    const answer = await tell(app, [
      event,
      push(upstream.host, 'e2', { repository: 'team/app' }),
      { id: 'e3', action: 'pull' },
    ]);
    assert.deepEqual([answer.status, JSON.parse(answer.body.toString())], [202, { taken: 1 }]);
    await until(async () => (await digestOf(app)) === newer.manifest.digest);
    await sleep(50);
    // Whoever came meanwhile had it asked about, too.
    const calls = [...upstream.calls];
    assert.deepEqual(
      new Set(calls),
      new Set(['HEAD /v2/team/app/manifests/v1', `GET /v2/team/app/manifests/${newer.manifest.digest}`]),
    );
    assert.equal(calls.filter((call) => call.startsWith('GET')).length, 1);
    // Shown again, by whoever has seen it on its way.
    for (let times = 0; times < 5; times += 1) assert.equal((await tell(app, [event])).status, 202);
    await sleep(50);
    assert.deepEqual(upstream.calls, calls);
  });

  it('is believed of whoever shows the secret as a bearer token, too: docker-registry can show nothing else', async () => {
    await using made = await listening();
    const { app, upstream } = made;
    const headers = { Authorization: `Bearer ${credential}` };
    assert.equal((await tell(app, [push(upstream.host, 'e1')], { headers })).status, 202);
    await until(() => upstream.calls.length > 0);
  });

  it('is refused of everybody else, and nobody is asked', async () => {
    await using made = await listening();
    const { app, upstream, log } = made;
    const events = [push(upstream.host, 'e1')];
    const body = JSON.stringify({ events });
    const now = Date.now();
    for (const headers of [
      {},
      { Authorization: 'Bearer guessed' },
      { Authorization: `Basic ${Buffer.from('x:y').toString('base64')}` },
      signed(body, 'guessed', now),
      signed(`${body} `, credential, now),
      signed(body, credential, now - 600_000),
      { ...signed(body, credential, now), 'X-Ociregistry-Timestamp': String(Math.floor(now / 1000) + 1) },
    ] as Record<string, string>[]) {
      const answer = await tell(app, events, { headers });
      assert.deepEqual([answer.status, codeOf(answer)], [401, 'UNAUTHORIZED']);
      assert.equal(answer.headers['www-authenticate'], 'Bearer realm="ociregistry events"');
    }
    assert.deepEqual(upstream.calls, []);
    assert.match(log.at('warn').join('\n'), /events were refused/);
  });

  it('does not wait for others who are slow to show that they have signed it', async () => {
    await using made = await listening();
    const { app, upstream } = made;
    let told = 0;
    const slow = Array.from({ length: 20 }, () => {
      const headers = { ...signed('', 'guessed', Date.now()), 'Content-Length': 1000 };
      const { port } = app.server;
      const asked = request({ port, path: '/v2/webhooks/events', method: 'POST', headers, agent: false });
      asked.on('error', () => {}).on('response', () => (told += 1));
      asked.flushHeaders();
      return asked;
    });
    // There is a place for four of them.
    await until(() => told === 16);
    const headers = { Authorization: `Bearer ${credential}` };
    assert.equal((await tell(app, [push(upstream.host, 'e1')], { headers })).status, 202);
    for (const asked of slow) asked.destroy();
  });

  it('is refused where it is none: malformed, too large, too slow to come, of a registry that nobody knows', async () => {
    await using made = await listening();
    const { app, upstream } = made;
    const say = async (body: string, headers: Record<string, string> = {}): Promise<Answer> =>
      await ask(app.server, '/v2/webhooks/events', {
        ...{ method: 'POST', body },
        headers: { ...signed(body, credential, Date.now()), ...headers },
      });
    for (const body of ['', 'no json', '[]', '{}', '{"events":{}}', '['.repeat(100_000)])
      assert.deepEqual(
        [(await say(body)).status, codeOf(await say(body))],
        [400, 'UNSUPPORTED'],
        body.slice(0, 20),
      );
    const large = JSON.stringify({ events: [], more: 'x'.repeat(1024 * 1024) });
    assert.equal((await say(large)).status, 413);
    assert.equal((await say(large, { 'Transfer-Encoding': 'chunked' })).status, 413);
    assert.equal((await say('{"events":[]}', { 'Content-Encoding': 'gzip' })).status, 415);
    assert.equal((await tell(app, [], { query: '?ns=other.example' })).status, 400);
    const others = [
      push('other.example', 'e1'),
      push(upstream.host, 'e2', { repository: '../x', tag: 'v1' }),
      push(upstream.host, 'e3', { repository: 'team/app', tag: '../x' }),
    ];
    assert.deepEqual(JSON.parse((await tell(app, others)).body.toString()), { taken: 0 });
    assert.equal((await ask(app.server, '/v2/webhooks/events')).status, 404);
    assert.deepEqual(upstream.calls, []);
  });

  it('may be of a registry that its pushers know by another name, where its URL says which', async () => {
    await using made = await listening();
    const { app, upstream } = made;
    const answer = await tell(app, [push('localhost:5000', 'e1')], { query: `?ns=${upstream.host}` });
    assert.deepEqual(JSON.parse(answer.body.toString()), { taken: 1 });
    await until(() => upstream.calls.length > 0);
  });

  it('of a tag that is not cached fetches nothing, and makes us ask again for what was not there', async () => {
    await using made = await listening({}, { cache: { complete: false, negativeTtl: '1h' } });
    const { app, upstream } = made;
    const path = '/v2/up/team/app/manifests/v2';
    assert.equal((await ask(app.server, path)).status, 404);
    put(upstream, 2, 'v2');
    assert.equal((await ask(app.server, path)).status, 404);
    upstream.requests.splice(0);
    await tell(app, [push(upstream.host, 'e1', { repository: 'team/app', tag: 'v2' })]);
    await sleep(50);
    assert.deepEqual(upstream.calls, []);
    assert.equal((await ask(app.server, path)).status, 200);
  });

  it('has an image brought whole with do: prefetch, cached or not', async () => {
    await using made = await listening({ do: 'prefetch' });
    const { app, upstream, name } = made;
    const image = put(upstream, 2, 'v2');
    await tell(app, [push(upstream.host, 'e1', { repository: 'team/app', tag: 'v2' })]);
    const blobs = [image.config, ...image.layers].map(({ digest }) => `/v2/${name}/blobs/${digest}`);
    await until(async () =>
      (await Promise.all(blobs.map(async (path) => await isHit(app, path)))).every(Boolean),
    );
    assert.equal(await digestOf(app, `/v2/${name}/manifests/v2`), image.manifest.digest);
  });

  it('of what was deleted by its digest has its tags asked about, and what is gone recorded', async () => {
    await using made = await listening();
    const { app, upstream, image } = made;
    upstream.faults.push(async () => ({ status: 404, headers: {} }));
    await until(async () => (await listed(app)).includes(':v1'));
    const target = { repository: 'team/app', digest: image.manifest.digest };
    await tell(app, [{ id: 'e1', action: 'delete', target, request: { host: upstream.host } }]);
    await until(() => upstream.calls.includes('HEAD /v2/team/app/manifests/v1'));
    // It is served on (`onGone`), as what it is: stale when somebody asks where it is not fresh.
    assert.equal(await digestOf(app), image.manifest.digest);
  });

  it('of a tag that was deleted makes it fresh for nobody, here and at another server on the directory, until its registry says so', async () => {
    const cache = { complete: false, onGone: 'notFound', negativeTtl: 0 } as const;
    await using made = await listening({}, { cache });
    const { app, upstream, image, imagePath } = made;
    const path = '/v2/up/team/app/manifests/v1';
    await until(async () => (await listed(app)).includes(':v1'));
    // Nobody answers: what was told is all that is known.
    const away = async () => ({ status: 503, headers: {} });
    upstream.faults.push(away);
    const target = { repository: 'team/app', tag: 'v1' };
    assert.equal(
      (await tell(app, [{ id: 'e1', action: 'delete', target, request: { host: upstream.host } }])).status,
      202,
    );
    const stale = await ask(app.server, path);
    assert.match(`${stale.headers['cache-status']}`, /stale/);
    const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
    await using again = await runApp({ imagePath, registries, cache });
    upstream.faults.splice(0);
    upstream.faults.push(async () => ({ status: 404, headers: {} }));
    assert.equal((await ask(again.server, path)).status, 404);
    assert.ok(upstream.calls.includes('HEAD /v2/team/app/manifests/v1'));
    assert.equal((await ask(again.server, path)).status, 404);
    // It is there again, and fresh for ever as before.
    upstream.faults.splice(0);
    await until(async () => (await digestOf(again, path)) === image.manifest.digest);
    await until(async () => await isHit(again, path));
    const asked = upstream.calls.length;
    assert.ok(await isHit(again, path));
    assert.equal(upstream.calls.length, asked);
  });

  it('reaches nobody where it is not configured', async () => {
    await using made = await running();
    const answer = await tell(made.app, [push('x', 'e1')]);
    assert.deepEqual([answer.status, codeOf(answer)], [405, 'UNSUPPORTED']);
  });
});

describe('a cache before a cache', () => {
  it('has what has moved at the inner one within a second of its finding so, by its signed events', async () => {
    await using stack = new AsyncDisposableStack();
    const { path } = stack.use(await temporaryDirectory());
    const secretFile = join(path, 'secret');
    await writeFile(secretFile, credential);
    const ports = [await freePort(), await freePort()] as const;
    const inner = `127.0.0.1:${ports[0]}`;
    const url = `http://127.0.0.1:${ports[1]}/v2/webhooks/events?ns=${inner}`;
    const { app, upstream } = stack.use(
      await running({
        port: ports[0],
        cache: { complete: false, freshness: 'always' },
        notifications: { endpoints: [{ url, secretFile, events: ['moved'] }] },
      }),
    );
    const outer = stack.use(
      await runApp({
        ...{ imagePath: join(path, 'outer'), port: ports[1], cache: { complete: false } },
        registries: [{ name: inner, scheme: 'http', alias: 'inner' }],
        notifications: { incoming: { secretFile } },
      }),
    );
    const outside = '/v2/inner/up/team/app/manifests/v1';
    await ask(outer.server, outside);
    await until(async () => await isHit(outer, outside));
    const { digest } = put(upstream, 2).manifest;
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await until(async () => (await digestOf(outer, outside)) === digest);
  });
});

describe('a catalogue that is kept in step', () => {
  const repositories = ['*/team/*'];

  it('has what has moved at its registry, though nobody asks', async () => {
    const clock = new FakeClock();
    await using made = await running({ catalogSync: { every: '1h', repositories } }, clock);
    const { app, upstream } = made;
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await until(async () => (await listed(app)).includes(':v1'));
    const newer = put(upstream, 2);
    upstream.requests.splice(0);
    await clock.advance(120_000);
    await until(async () => (await digestOf(app)) === newer.manifest.digest);
    assert.deepEqual(upstream.calls, [
      'GET /v2/team/app/tags/list?n=1000',
      'HEAD /v2/team/app/manifests/v1',
      `GET /v2/team/app/manifests/${newer.manifest.digest}`,
    ]);
  });

  it('compares nothing across an air gap, where all would seem to be gone', async () => {
    const clock = new FakeClock();
    await using made = await running({ catalogSync: { every: '1h', repositories }, airGapped: true }, clock);
    await clock.advance(7_200_000);
    await sleep(50);
    assert.doesNotMatch(made.log.lines.join('\n'), /were compared/);
  });
});

describe('a directory of files', () => {
  it('is served at its own port beside the registry, and drained with it', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'large.bin'), '');
    await writeFile(join(directory.path, 'index.yaml'), '- name: x\n');
    await using made = await running({
      listeners: [{ host: '127.0.0.1', port: 0, serve: 'files', directory: directory.path }],
    });
    const [listener] = made.app.listeners;
    assert.ok(listener);
    const { status, headers, body } = await ask(listener, '/index.yaml');
    assert.deepEqual(
      [status, headers['content-type'], body.toString()],
      [200, 'application/yaml', '- name: x\n'],
    );
    assert.equal((await ask(listener, '/v2/')).status, 404);
    const { port } = listener;
    const large = 64 * 1024 * 1024;
    await truncate(join(directory.path, 'large.bin'), large);
    const [response] = (await once(get({ port, path: '/large.bin' }), 'response')) as [IncomingMessage];
    const stopped = made.app.stop();
    // It takes no more connections, and what runs goes on.
    await until(
      async () =>
        await ask({ port }, '/index.yaml').then(
          () => false,
          () => true,
        ),
    );
    await sleep(50);
    let size = 0;
    for await (const chunk of response) size += (chunk as Buffer).length;
    assert.equal(size, large);
    await stopped;
  });

  it('has a port that is free, or the start says at which key', async () => {
    await using directory = await temporaryDirectory();
    const listeners = (port: number, path: string) => [
      { host: '127.0.0.1', port, serve: 'files' as const, directory: path },
    ];
    await using upstream = await FakeUpstream.start();
    await assert.rejects(running({ listeners: listeners(upstream.port, directory.path) }), {
      name: 'CannotListen',
      message: `listeners[0].port: ${upstream.port} is in use on 127.0.0.1: by a server that runs already?`,
    });
  });
});
