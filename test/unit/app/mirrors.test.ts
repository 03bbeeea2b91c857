import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { ServerOptions } from 'node:https';
import { describe, it } from 'node:test';
import { mirrorPlace } from '#src/app/registry-upstream.ts';
import type { Clock } from '#src/base/clock.ts';
import type { Flags } from '#src/config/load.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import { serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { loadText } from '#test/fakes/config-text.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { basicAuth, cutAfter, delayed, failing, headers, on } from '#test/fakes/upstream-faults.ts';
import { needs } from '#test/setup/needs.ts';

const layer = Buffer.from(bytes(300_000));

interface Settings {
  /** Below the mirror's host. */
  readonly path?: string;
  readonly registry?: Record<string, unknown>;
  readonly others?: (mirror: FakeUpstream) => Record<string, unknown>[];
  readonly top?: Flags;
  readonly clock?: Clock;
  /** The mirror's. */
  readonly tls?: ServerOptions;
}

/** The program in front of a registry with one mirror, both with the same image. */
async function start({ path = '', registry = {}, others = () => [], top = {}, clock, tls }: Settings = {}) {
  await using stack = new AsyncDisposableStack();
  const mirror = stack.use(await FakeUpstream.start(tls && { tls }));
  const itself = stack.use(await FakeUpstream.start());
  const image = putImage(itself.content, itself.repository('team/app'), 'v1', [layer]);
  for (const name of ['team/app', 'proxy/team/app']) {
    putImage(mirror.content, mirror.repository(name), 'v1', [layer]);
  }
  const directory = stack.use(await temporaryDirectory());
  const endpoints = [`${mirror.origin}${path}`];
  const entry = { name: itself.host, scheme: 'http' as const, alias: 'up', endpoints, ...registry };
  const log = new LogLines();
  const app = stack.use(
    await runApp(
      {
        imagePath: directory.path,
        registries: [entry, ...others(mirror)] as NonNullable<Flags['registries']>,
        cache: { complete: false, freshness: 'always' },
        ...top,
      },
      { log, ...(clock && { clock }) },
    ),
  );
  const opened = stack.move();
  const digest = image.layers[0]?.digest ?? assert.fail();
  return {
    app,
    mirror,
    itself,
    image,
    digest,
    log,
    manifest: async () => await ask(app.server, '/v2/up/team/app/manifests/v1'),
    blob: async () => await ask(app.server, `/v2/up/team/app/blobs/${digest}`),
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

describe('a mirror under endpoints', () => {
  it('is asked instead of the registry, and told whose repositories are meant', async () => {
    await using made = await start();
    const { mirror, itself, digest } = made;
    assert.equal((await made.manifest()).status, 200);
    assert.ok((await made.blob()).body.equals(layer));
    const ns = `?ns=${encodeURIComponent(itself.host)}`;
    assert.deepEqual(mirror.calls, [
      `GET /v2/team/app/manifests/v1${ns}`,
      `GET /v2/team/app/blobs/${digest}${ns}`,
    ]);
    assert.deepEqual(itself.calls, []);
  });

  for (const path of ['/proxy', '/v2/proxy/']) {
    it(`at ${path} has its repositories below proxy/, also in the scope of tokens`, async () => {
      await using tokens = await FakeTokenServer.start();
      await using made = await start({ path });
      made.mirror.faults.push(tokens.fault);
      assert.equal((await made.manifest()).status, 200);
      await ask(made.app.server, '/v2/up/team/app/tags/list');
      const ns = `ns=${encodeURIComponent(made.itself.host)}`;
      assert.deepEqual(made.mirror.calls.slice(1), [
        `GET /v2/proxy/team/app/manifests/v1?${ns}`,
        `GET /v2/proxy/team/app/tags/list?${ns}&n=1000`,
      ]);
      assert.deepEqual(
        tokens.requests.map(({ query }) => decodeURIComponent(query)),
        ['?scope=repository:proxy/team/app:pull&service=fake'],
      );
      assert.deepEqual(made.itself.calls, []);
    });
  }

  it('that has not got it, or is closed to us, costs one request; the answer is the registry’s', async () => {
    for (const status of [401, 403, 404, 429, 500, 503]) {
      await using made = await start();
      made.mirror.faults.push(failing(status));
      assert.equal((await made.manifest()).status, 200, String(status));
      assert.equal(made.mirror.calls.length, 1);
      assert.deepEqual(made.itself.calls, ['GET /v2/team/app/manifests/v1']);
    }
  });

  it('that fails with the registry leaves the registry’s error to the client', async () => {
    await using made = await start();
    made.mirror.faults.push(failing(500));
    made.itself.faults.push(failing(403));
    const { status, body } = await made.manifest();
    assert.equal(status, 403);
    assert.match(body.toString(), new RegExp(made.itself.host));
  });

  it('that has nothing to list leaves the registry’s error to the client, and the registry’s list when it is back', async () => {
    for (const status of [403, 503]) {
      await using made = await start({ top: { cache: { complete: false, negativeTtl: 0 } } });
      const { mirror, itself, image } = made;
      const list = async (what: string) => await ask(made.app.server, `/v2/up/team/app/${what}`);
      const referrers = `referrers/${image.manifest.digest}`;
      mirror.faults.push(failing(404));
      itself.faults.push(failing(status));
      for (const what of [referrers, 'tags/list']) {
        const answer = await list(what);
        assert.equal(answer.status, status === 503 ? 502 : 403, what);
        assert.match(answer.body.toString(), new RegExp(itself.host));
      }
      assert.ok(mirror.calls.length > 0 && itself.calls.length > 0);
      itself.faults.length = 0;
      assert.deepEqual(JSON.parse((await list(referrers)).body.toString()).manifests, []);
      assert.deepEqual(JSON.parse((await list('tags/list')).body.toString()).tags, ['v1']);
    }
  });

  it('never sees the registry’s credentials', async () => {
    const auth = { user: 'me', password: 's3cret-in-tests-hunter2' };
    await using made = await start({ registry: { auth } });
    made.mirror.faults.push(basicAuth('me', 's3cret-in-tests-hunter2'));
    made.itself.faults.push(basicAuth('me', 's3cret-in-tests-hunter2'));
    assert.equal((await made.manifest()).status, 200);
    assert.equal(made.itself.calls.length, 2);
    assert.ok(made.mirror.requests.length > 0);
    assert.ok(made.mirror.requests.every(({ headers }) => headers.authorization === undefined));
  });

  it('that is itself under registries sees that entry’s credentials', async () => {
    const auth = { user: 'puller', password: 's3cret-in-tests-hunter3' };
    await using made = await start({
      registry: { auth: { user: 'me', password: 's3cret-in-tests-hunter2' } },
      others: ({ host }) => [{ name: host, scheme: 'http', auth }],
    });
    made.mirror.faults.push(basicAuth('puller', 's3cret-in-tests-hunter3'));
    assert.equal((await made.manifest()).status, 200);
    assert.deepEqual(made.itself.calls, []);
  });

  it('is asked about cached tags though the registry’s own quota is low', async () => {
    await using made = await start();
    const { mirror, itself } = made;
    mirror.faults.push(failing(404));
    itself.faults.push(headers({ 'RateLimit-Limit': '100;w=21600', 'RateLimit-Remaining': '3;w=21600' }));
    assert.equal((await made.manifest()).status, 200);
    mirror.faults.length = 0;
    assert.match(String((await made.manifest()).headers['cache-status']), /detail=revalidated/);
    assert.equal(itself.calls.length, 1);
  });

  it('is resumed when a blob breaks off, and left when it does so again', async () => {
    await using made = await start();
    const { mirror, itself, digest } = made;
    mirror.faults.push(on(/blobs/, cutAfter(100_000)));
    const { body, isCut } = await made.blob();
    assert.equal(isCut, false);
    assert.ok(body.equals(layer));
    assert.deepEqual(
      mirror.requests.map(({ headers: { range } }) => range),
      [undefined, 'bytes=100000-'],
    );
    assert.deepEqual(
      itself.requests.map(({ path, headers: { range } }) => `${path} ${range}`),
      [`/v2/team/app/blobs/${digest} bytes=200000-`],
    );
  });

  it(
    'is believed by the registry’s authorities, but not shown its client certificate',
    needs('openssl'),
    async () => {
      await using authority = await TestAuthority.create();
      const keys = await serverKeys(await authority.issue('mirror', 'IP:127.0.0.1'));
      const client = await authority.issue('client', 'DNS:client');
      const tls = { cert: client.certFile, key: client.keyFile };
      const registry = { tls, upstream: { ca: authority.caFile } };
      await using open = await start({ registry, tls: keys });
      assert.equal((await open.manifest()).status, 200);
      assert.deepEqual([open.mirror.calls.length, open.itself.calls.length], [1, 0]);
      const ca = await readFile(authority.caFile);
      await using asking = await start({ registry, tls: { ...keys, ca, requestCert: true } });
      assert.equal((await asking.manifest()).status, 200);
      assert.deepEqual([asking.mirror.calls.length, asking.itself.calls.length], [0, 1]);
    },
  );

  it('that is dead is passed over, told once in the log and then not waited for', async () => {
    await using made = await start();
    const { host } = made.mirror;
    await made.mirror[Symbol.asyncDispose]();
    for (let pull = 0; pull < 3; pull += 1) assert.equal((await made.manifest()).status, 200);
    const rests = made.log.at('warn').filter((line) => line.includes('upstream unavailable'));
    assert.equal(rests.length, 2);
    assert.ok(rests.every((line) => line.includes(`upstream: '${host}'`)));
    const [get = '', head = ''] = rests;
    assert.ok(get.includes("requests: 'GET manifest'") && head.includes("requests: 'HEAD manifest'"));
  });

  it('is reached through the registry’s proxy, unless noProxy says otherwise', async () => {
    await using proxy = await FakeProxy.start();
    const upstream = { proxy: proxy.url('me:s3cret-in-tests-hunter2') };
    await using made = await start({ registry: { upstream } });
    await made.manifest();
    assert.deepEqual(proxy.calls, [
      `GET ${made.mirror.origin}/v2/team/app/manifests/v1?ns=${encodeURIComponent(made.itself.host)}`,
    ]);
    await using direct = await start({ registry: { upstream: { ...upstream, noProxy: ['127.0.0.1'] } } });
    await direct.manifest();
    assert.equal(proxy.calls.length, 1);
    assert.equal(direct.mirror.calls.length, 1);
  });
});

describe('a stale tag', () => {
  it('is served within its deadline though a mirror does not answer, which is not waited for again', async () => {
    const clock = new FakeClock();
    const cache = { complete: false, freshness: 'always', negativeTtl: 0 } as const;
    await using made = await start({ top: { cache }, clock });
    assert.equal((await made.manifest()).status, 200);
    const stuck = gate();
    made.mirror.faults.push(delayed(stuck.wait));
    const stale = made.manifest();
    await stuck.reached;
    await clock.advance(2000);
    assert.match(String((await stale).headers['cache-status']), /detail="stale: upstream timed out"/);
    // The mirror has its ten seconds, then the registry is asked after all, at nobody's request.
    await clock.advance(8000);
    await made.itself.asked(1);
    assert.deepEqual(made.itself.calls, ['HEAD /v2/team/app/manifests/v1']);
    await clock.advance(1000);
    const asked = made.mirror.calls.length;
    const { headers } = await made.manifest();
    assert.equal(headers['cache-status'], 'ociregistry; fwd=stale; detail=revalidated');
    assert.equal(made.mirror.calls.length, asked);
    stuck.open();
  });
});

describe('the path of an endpoint', () => {
  const rows: [url: string, origin: string, path: string][] = [
    ['https://h', 'https://h', '/v2'],
    ['https://h/', 'https://h', '/v2'],
    ['https://h/v2/', 'https://h', '/v2'],
    ['https://h:8443/proxy', 'https://h:8443', '/v2/proxy'],
    ['http://h/v2/proxy/docker.io/', 'http://h', '/v2/proxy/docker.io'],
    ['https://h/repository/docker/v2', 'https://h', '/repository/docker/v2'],
  ];
  for (const [url, origin, path] of rows) {
    it(`of ${url} is ${path}`, () => {
      const place = mirrorPlace(url, parseRegistryHost('docker.io'), []);
      assert.deepEqual(
        [`${place.scheme}://${place.host}`, place.mirror],
        [origin, { path, of: 'docker.io' }],
      );
    });
  }

  it('belongs to the entry of the same origin, and to no other', async () => {
    const { config } = await loadText(
      'registries: [{ name: a.io }, { name: "b.io:443" }, { name: "c.io:80", scheme: http }]',
    );
    const entryOf = (url: string) =>
      mirrorPlace(url, parseRegistryHost('docker.io'), config.registries).registry?.name;
    assert.deepEqual(
      [
        'https://a.io/x',
        'https://b.io',
        'http://c.io/y',
        'http://a.io',
        'https://c.io',
        'https://a.io:444',
      ].map(entryOf),
      ['a.io', 'b.io:443', 'c.io:80', undefined, undefined, undefined],
    );
  });
});
