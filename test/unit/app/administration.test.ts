import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Flags } from '#src/config/load.ts';
import { hexOf } from '#src/oci/digest.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { secret } from '#test/fakes/secrets.ts';

interface Given {
  readonly tags?: readonly string[];
  readonly settings?: Flags;
  readonly stop?: (by: string) => void;
}

/** A server that has pulled images through, and who asks it. */
async function running({ tags = ['v1', 'v2'], settings = {}, stop }: Given = {}) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const all = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { complete: false },
    ...settings,
  };
  const log = new LogLines();
  const app = stack.use(await runApp(all, { log, ...(stop && { stop }) }));
  const images: Image[] = [];
  for (const [at, tag] of tags.entries()) {
    images.push(putImage(upstream.content, upstream.repository('team/app'), tag, [bytes(1000, at)]));
    await ask(app.server, `/v2/up/team/app/manifests/${tag}`);
  }
  const call = async (path: string, method = 'GET', headers: Record<string, string> = {}) => {
    const answer = await ask(app.server, `/cmd/${path}`, { method, headers });
    return { ...answer, text: answer.body.toString() };
  };
  const json = async (path: string, method = 'GET'): Promise<unknown> =>
    JSON.parse((await call(path, method, { accept: 'application/json' })).text);
  await until(async () => (await call('manifest/list?count=-1')).text.split('\n').length === tags.length + 2);
  const moved = stack.move();
  return {
    ...{ app, upstream, images, call, json, log, name: `${upstream.host}/team/app` },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

/** Bounded by ten seconds: machines are slow. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, 'it does not come to that');
    await sleep(20);
  }
}

const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d`;

describe('the lists of the original', () => {
  it('of manifests have its header and lines, by name, and what a pattern matches', async () => {
    await using made = await running({ tags: ['v2', 'v1'] });
    const { call, images, name } = made;
    const [second, first] = images.map(({ manifest }) => hexOf(manifest.digest));
    const { text: list, headers } = await call('manifest/list');
    assert.match(
      list,
      new RegExp(
        `^URL DIGEST CREATED PULLED\n${name}:v1 ${first}  ${time} ${time}\n${name}:v2 ${second}  ${time} ${time}\n$`,
      ),
    );
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal((await call('manifest/list?pattern=nothing,v2$')).text.split('\n').length, 3);
    assert.equal((await call('manifest/list?count=1')).text.split('\n').length, 3);
    assert.equal((await call('manifest/list?pattern=nothing')).text, 'no manifests found\n');
  });

  it('of manifests cut the digest in a URL to ten digits', async () => {
    await using made = await running({ tags: [] });
    const { app, call, upstream, name } = made;
    const { manifest } = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(10)]);
    await ask(app.server, `/v2/up/team/app/manifests/${manifest.digest}`);
    await until(async () => (await call('manifest/list')).text !== 'no manifests found\n');
    const hex = hexOf(manifest.digest);
    assert.ok((await call('manifest/list')).text.includes(`\n${name}@sha256:${hex.slice(0, 10)} ${hex}  `));
  });

  it('of images have their layers, then the config', async () => {
    await using made = await running();
    const { call, images } = made;
    const lines = (await call('image/list')).text.trimEnd().split('\n');
    assert.equal(lines.length, 1 + 2 * (1 + 2));
    const [first, second] = images;
    assert.deepEqual(lines.slice(2, 4), [`- ${first?.layers[0]?.digest}`, `- ${first?.config.digest}`]);
    const layer = hexOf(second?.layers[0]?.digest ?? assert.fail());
    const found = (await call(`image/list?digest=${layer.slice(3, 20)}`)).text.trimEnd().split('\n');
    assert.deepEqual([found.length, found[2]], [4, `- sha256:${layer}`]);
  });

  it('of blobs have how often each is named', async () => {
    await using made = await running({ tags: ['v1'] });
    const { app, call, images } = made;
    assert.equal((await call('blob/list')).text, 'no blobs found\n');
    const layer = images[0]?.layers[0]?.digest ?? assert.fail();
    await ask(app.server, `/v2/up/team/app/blobs/${layer}`);
    await until(async () => (await call('blob/list')).text === `URL REFCNT\n${hexOf(layer)} 1\n`);
    assert.equal((await call(`blob/list?substr=${hexOf(layer).slice(5, 15)}`)).text.split('\n').length, 3);
    assert.equal((await call('blob/list?substr=none')).text, 'no blobs found\n');
  });

  it('refuse what makes no sense, in its words', async () => {
    await using made = await running({ tags: [] });
    for (const path of [
      ...['manifest/list?pattern=(a', 'manifest/list?pattern=(?=a)', 'manifest/list?count=x'],
      ...['manifest/list?count=-2', 'manifest/list?cuont=1', 'manifest/list?count=1&count=2'],
      ...['image/list?digest=XYZ', `manifest/list?pattern=${'a'.repeat(2001)}`],
    ]) {
      const { status, text: answer } = await made.call(path);
      assert.equal(status, 400, path);
      assert.match(answer, /^invalid parameters\n[^\n]+\n$/, path);
    }
    assert.deepEqual(await made.json('manifest/list?count=x'), {
      message: 'invalid parameters: count: must be a whole number, or -1',
    });
    assert.equal(
      (await made.call('manifest/list?count=x')).text,
      'invalid parameters\ncount: must be a whole number, or -1\n',
    );
    assert.equal((await made.call('manifest/list?pattern=(a%2B)%2B%24')).status, 200);
    assert.equal((await made.call('nothing')).status, 404);
    const other = await made.call('manifest/list', 'POST');
    assert.deepEqual([other.status, other.headers.allow], [405, 'GET']);
    const bodied = await ask(made.app.server, '/cmd/manifest/list', {
      headers: { 'content-length': '1' },
      body: 'x',
    });
    assert.equal(bodied.status, 400);
  });

  it('are one page of memory, however many there are and however slowly they are read', async () => {
    await using made = await running({ tags: Array.from({ length: 250 }, (_, at) => `t${at}`) });
    assert.equal((await made.call('manifest/list')).text.split('\n').length, 52);
    const all = (await made.call('manifest/list?count=-1')).text.trimEnd().split('\n').slice(1);
    assert.equal(new Set(all).size, 250);
    assert.deepEqual(all, all.toSorted());
  });
});

describe('what programs may do', () => {
  it('pin and unpin by name or by pattern, and never all by mistake', async () => {
    await using made = await running();
    const { json, call, log, name } = made;
    const pinned = async (): Promise<unknown[]> => {
      const { manifests } = (await json('manifest/list')) as {
        manifests: { tag: string; pinned: boolean }[];
      };
      return manifests.filter((one) => one.pinned).map(({ tag }) => tag);
    };
    assert.deepEqual(await json('image/pin?image=up/team/app:v1', 'POST'), {
      tags: [{ reference: `${name}:v1`, pinned: true, changed: true }],
    });
    assert.deepEqual(await pinned(), ['v1']);
    assert.equal(
      (await call('image/pin?pattern=team/app', 'POST')).text,
      `pinned ${name}:v1\npinned ${name}:v2\n`,
    );
    assert.deepEqual(await pinned(), ['v1', 'v2']);
    assert.equal((await call('image/unpin?pattern=:v1$', 'POST')).text, `unpinned ${name}:v1\n`);
    assert.deepEqual(await pinned(), ['v2']);
    assert.equal((await call('image/pin?image=up/team/app:none', 'POST')).text, 'no manifests found\n');
    for (const query of ['', '?image=', '?image=a&pattern=b', '?image=UPPER', '?image=%00'])
      assert.equal((await call(`image/unpin${query}`, 'POST')).status, 400, query);
    assert.deepEqual(await pinned(), ['v2']);
    for (const method of ['GET', 'PUT', 'DELETE'])
      assert.equal((await call('image/unpin?pattern=v2', method)).status, 405);
    assert.match(log.at('warn').join('\n'), /administration: unpinning images .*by: 'loopback'/s);
  });

  it('ask upstream again, however fresh a tag is', async () => {
    await using made = await running();
    const { app, upstream, call, json, images, name } = made;
    upstream.requests.length = 0;
    const after = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(10, 9)]);
    assert.equal(
      (await ask(app.server, '/v2/up/team/app/manifests/v1')).headers['docker-content-digest'],
      images[0]?.manifest.digest,
    );
    assert.deepEqual(upstream.calls, []);
    assert.equal((await call('image/refresh?pattern=:v1', 'POST')).text, `moved ${name}:v1\n`);
    assert.deepEqual(upstream.calls, [
      'HEAD /v2/team/app/manifests/v1',
      `GET /v2/team/app/manifests/${after.manifest.digest}`,
    ]);
    const { headers } = await ask(app.server, '/v2/up/team/app/manifests/v1');
    assert.equal(headers['docker-content-digest'], after.manifest.digest);
    assert.deepEqual(await json('image/refresh?image=up/team/app:v2', 'POST'), {
      tags: [
        { reference: `${name}:v2`, outcome: 'unchanged', digest: images[1]?.manifest.digest, problem: null },
      ],
    });
    assert.deepEqual(upstream.calls.slice(2), ['HEAD /v2/team/app/manifests/v2']);
  });

  it('hear of what upstream has no more, and of what fails, and the rest goes on', async () => {
    await using made = await running();
    const { upstream, call, json, name } = made;
    upstream.faults.push(async ({ path }, next) =>
      path.endsWith('/v1') ? { status: 404, headers: {} } : await next(),
    );
    const { text: answer } = await call('image/refresh?pattern=app', 'POST');
    assert.match(answer, new RegExp(`^gone ${name}:v1: .*\nunchanged ${name}:v2\n$`));
    upstream.faults.push(async () => ({ status: 503, headers: {} }));
    assert.match((await call('image/refresh?pattern=v2', 'POST')).text, new RegExp(`^failed ${name}:v2: `));
    const { failures } = (await json('failure/list')) as { failures: unknown[] };
    assert.ok(Array.isArray(failures));
  });

  it('see what is cached of each registry', async () => {
    await using made = await running();
    const { call, upstream } = made;
    const lines = (await call('registry/list')).text.split('\n');
    assert.deepEqual(lines[0], 'REGISTRY MANIFESTS BYTES BLOBS BYTES');
    assert.match(lines[1] ?? '', /^\* 2 \d+ 0 0$/);
    assert.ok(lines[2]?.startsWith(`${upstream.host} 2 `));
  });

  it('see what is being fetched, and how far it is', async () => {
    await using made = await running({ tags: ['v1'] });
    const { app, call, json, upstream, images, name } = made;
    const go = Promise.withResolvers<void>();
    const layer = images[0]?.layers[0]?.digest ?? assert.fail();
    upstream.faults.push(async ({ path }, next) => {
      if (path.includes('/blobs/')) await go.promise;
      return await next();
    });
    assert.equal((await call('fill/list')).text, 'nothing is fetched\n');
    const pull = ask(app.server, `/v2/up/team/app/blobs/${layer}`);
    await until(async () => (await call('fill/list')).text !== 'nothing is fetched\n');
    assert.deepEqual(await json('fill/list'), {
      fills: [{ repository: name, digest: layer, received: 0, expected: 1000, wanted: true, queued: false }],
    });
    go.resolve();
    assert.equal((await pull).status, 200);
    await until(async () => (await call('fill/list')).text === 'nothing is fetched\n');
  });

  it('see what failed lately, and why', async () => {
    await using made = await running({ tags: [] });
    const { app, call, json, upstream } = made;
    assert.equal((await call('failure/list')).text, 'nothing failed\n');
    await upstream[Symbol.asyncDispose]();
    await ask(app.server, '/v2/up/team/other/manifests/v1');
    await until(async () => (await call('failure/list')).text !== 'nothing failed\n');
    const { failures } = (await json('failure/list')) as { failures: { cause: string }[] };
    assert.ok(
      failures.some(({ cause }) => /UNAVAILABLE|refused/i.test(cause)),
      JSON.stringify(failures),
    );
  });

  it('end the server', async () => {
    const told = Promise.withResolvers<string>();
    await using made = await running({ tags: [], stop: told.resolve });
    const { status, body } = await made.call('stop');
    assert.deepEqual([status, body.length], [200, 0]);
    assert.equal(await told.promise, 'loopback, 127.0.0.1');
    assert.match(made.log.lines.join('\n'), /administration: stopping the server/);
  });
});

describe('who may administer', () => {
  it('is whoever shows the credential, which is in no log', async () => {
    const [password, token] = [secret('password'), secret('token')];
    const env = { ADMIN_PASSWORD: password, ADMIN_TOKEN: token };
    await using directory = await temporaryDirectory();
    const { loadConfig } = await import('#src/config/load.ts');
    const { startApp } = await import('#src/app/app.ts');
    const flags = {
      ...{ host: '127.0.0.1', port: 0, imagePath: directory.path },
      admin: { user: 'admin', passwordFromEnv: 'ADMIN_PASSWORD', tokenFromEnv: 'ADMIN_TOKEN' },
    };
    const { config } = await loadConfig({ flags, env });
    const log = new LogLines();
    await using app = await startApp(config, { version: '0', env: {}, log });
    const status = async (authorization?: string) =>
      (await ask(app.server, '/cmd/manifest/list', { headers: authorization ? { authorization } : {} }))
        .status;
    assert.equal(await status(), 401);
    assert.equal(await status(`Bearer ${token}`), 200);
    assert.equal(await status(`Basic ${Buffer.from(`admin:${password}`).toString('base64')}`), 200);
    assert.equal(await status(`Basic ${Buffer.from(`admin:${token}`).toString('base64')}`), 401);
    assert.match(log.at('warn').join('\n'), /an administrative call was refused/);
  });

  it('is no web page, and nothing is done for one', async () => {
    await using made = await running({ stop: () => assert.fail('it was stopped') });
    const { app, call, json } = made;
    for (const headers of [
      { origin: 'https://evil.example' },
      { 'sec-fetch-site': 'cross-site' },
      { host: 'evil.example' },
      { 'x-forwarded-for': '127.0.0.1' },
    ] as Record<string, string>[])
      for (const [path, method] of [
        ['stop', 'GET'],
        ['image/pin?pattern=v', 'POST'],
        ['prune?type=pattern&expr=v&dryRun=false', 'DELETE'],
        ['nothing', 'GET'],
      ] as const) {
        const answer = await call(path, method, headers);
        assert.equal(answer.status, 403, `${method} ${path}`);
        assert.match(answer.text, /"administration is refused: /);
      }
    const preflight = await ask(app.server, '/cmd/image/pin', {
      method: 'OPTIONS',
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    });
    assert.deepEqual([preflight.status, preflight.headers['access-control-allow-origin']], [403, undefined]);
    const { manifests } = (await json('manifest/list')) as { manifests: { pinned: boolean }[] };
    assert.deepEqual(
      manifests.map(({ pinned }) => pinned),
      [false, false],
    );
  });

  it('is judged for each request of a connection, in whatever form it comes', async () => {
    await using made = await running({ tags: [], stop: () => assert.fail('it was stopped') });
    const { port } = made.app.server;
    const statuses = async (...requests: readonly string[]): Promise<string[]> => {
      const socket = connect(port, '127.0.0.1');
      await once(socket, 'connect');
      const all = text(socket);
      socket.write(requests.join(''));
      const answers = (await all).match(/HTTP\/1\.1 \d+/g) ?? [];
      return answers.map((line) => line.slice(-3));
    };
    const host = `Host: 127.0.0.1:${port}\r\n`;
    const close = 'Connection: close\r\n';
    assert.deepEqual(
      await statuses(
        `GET /cmd/manifest/list HTTP/1.1\r\n${host}\r\n`,
        `GET /cmd/stop HTTP/1.1\r\n${host}Origin: null\r\n\r\n`,
        `GET /cmd/stop HTTP/1.1\r\n${host}Via: 1.1 x\r\n\r\n`,
        `GET /cmd/manifest/list HTTP/1.1\r\n${host}${close}\r\n`,
      ),
      ['200', '403', '403', '200'],
    );
    const absolute = `GET http://127.0.0.1:${port}/cmd/stop HTTP/1.1\r\n`;
    for (const [request, status] of [
      ['GET /cmd/stop HTTP/1.0\r\n\r\n', '403'],
      [`GET /cmd/stop HTTP/1.0\r\n${host}\r\n`, '403'],
      [`GET /cmd/stop HTTP/1.1\r\n${close}\r\n`, '400'],
      [`GET /cmd/stop HTTP/1.1\r\n${host}${host}${close}\r\n`, '400'],
      [`${absolute}${host}${close}\r\n`, '403'],
      [`${absolute}Host: evil.example\r\n${close}\r\n`, '403'],
      [`GET http://evil.example/cmd/stop HTTP/1.1\r\n${host}${close}\r\n`, '421'],
      [`GET //cmd//stop HTTP/1.1\r\n${host}Origin: null\r\n${close}\r\n`, '403'],
      [`GET //cmd/stop HTTP/1.1\r\n${host}${close}\r\n`, '404'],
      [`GET /cmd//stop?a=//b HTTP/1.1\r\n${host}${close}\r\n`, '404'],
      [`GET /v2/../cmd/stop HTTP/1.1\r\n${host}${close}\r\n`, '404'],
      [`GET /cmd/../cmd/stop HTTP/1.1\r\n${host}${close}\r\n`, '404'],
      [`GET /cmd%2Fstop HTTP/1.1\r\n${host}${close}\r\n`, '404'],
      [`GET /CMD/stop HTTP/1.1\r\n${host}${close}\r\n`, '404'],
    ])
      assert.deepEqual(await statuses(request ?? ''), [status], request);
  });
});
