import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { NameLookups } from '#src/net/dial/name-lookups.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { putImage } from '#test/fakes/images.ts';
import { someNames } from '#test/fakes/names.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { addressOf, ScriptedNames } from '#test/fakes/scripted-names.ts';
import { failing, redirected, times } from '#test/fakes/upstream-faults.ts';

const tag = parseTag('v1');
const alpine = repository('registry.example/library/alpine');

/** An upstream with an image. */
async function upstreamWithImage(): Promise<FakeUpstream> {
  const upstream = await FakeUpstream.start();
  putImage(upstream.content, upstream.repository('library/alpine'), tag, []);
  return upstream;
}

async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100_000 && !holds(); turn += 1)
    await new Promise((resolve) => setImmediate(resolve));
  assert.ok(holds());
}

/** The client of an upstream that is known by a name. */
function named(name: string, { port }: Pick<FakeUpstream, 'port'>, settings: Partial<UpstreamSettings>) {
  const host = parseRegistryHost(`${name}:${port}`);
  return openUpstream({ host, origin: `http://${host}` }, settings);
}

describe('registries whose name server is silent', () => {
  it('keep none from the others: what is known serves, a name is asked for past the system, or answered with 503', async () => {
    const clock = new FakeClock();
    const system = new ScriptedNames();
    const wanted: string[] = [];
    class Names extends NameLookups {
      override async lookUp(name: string) {
        wanted.push(name);
        return await super.lookUp(name);
      }
    }
    const names = new Names({
      clock,
      threads: 1,
      resolve: system.resolve,
      ask: async (name) => (name === 'new.example' ? [addressOf('127.0.0.1')] : []),
    });
    await using upstream = await upstreamWithImage();
    await using known = named('known.example', upstream, { names, clock });
    // Without a connection that is kept.
    await using knownAnew = named('known.example', upstream, { names, clock });
    await using another = named('new.example', upstream, { names, clock });
    await using lost = named('lost.example', upstream, { names, clock });
    await using silent = named('silent.example', upstream, { names, clock });
    const learning = known.getManifest(alpine, tag);
    await until(() => system.hanging === 1);
    system.answer('known.example', '127.0.0.1');
    await learning;
    await clock.advance(3_600_000);

    const asking = assert.rejects(silent.getManifest(alpine, tag), {
      code: 'UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '2' },
      message: `no answer from http://silent.example:${upstream.port} (the name server does not answer for silent.example, ETIMEOUT)`,
    });
    await until(() => system.hanging === 1);
    const served = Promise.all([knownAnew.getManifest(alpine, tag), another.getManifest(alpine, tag)]);
    const refused = assert.rejects(lost.getManifest(alpine, tag), { code: 'UNAVAILABLE', status: 503 });
    await until(() => wanted.length === 5);
    await clock.advance(500);
    await served;
    await clock.advance(1500);
    await refused;
    await clock.advance(2000);
    await asking;
    assert.deepEqual(
      upstream.requests.map(({ host }) => host).sort(),
      ['known.example', 'known.example', 'new.example'].map((name) => `${name}:${upstream.port}`),
    );
    assert.deepEqual([system.asked, system.hanging, names.hung], [['known.example', 'silent.example'], 1, 1]);
  });
});

describe('an address that is remembered', () => {
  it('is checked at each connection, also for whoever did not look it up', async () => {
    await using upstream = await upstreamWithImage();
    const system = new ScriptedNames();
    const resolve = async (name: string) => {
      const found = system.resolve(name);
      system.answer(name, '127.0.0.1');
      return await found;
    };
    const names = someNames({ resolve });
    await using configured = named('registry.example', upstream, { names });
    await using stranger = named('registry.example', upstream, { names, configured: false });
    await configured.getManifest(alpine, tag);
    for (let round = 0; round < 2; round += 1)
      await assert.rejects(stranger.getManifest(alpine, tag), { code: 'DENIED', status: 403 });
    assert.deepEqual([system.asked, upstream.connections], [['registry.example'], 1]);
  });

  it('is forgotten when nobody can be connected to there', async () => {
    const gone = await upstreamWithImage();
    const { port } = gone;
    await gone[Symbol.asyncDispose]();
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return [addressOf('127.0.0.1')];
    };
    await using registry = named('registry.example', { port }, { names: someNames({ resolve }) });
    await assert.rejects(registry.getManifest(alpine, tag), { message: /ECONNREFUSED/ });
    assert.deepEqual(asked, ['registry.example', 'registry.example', 'registry.example']);
  });
});

describe('the same names are asked', () => {
  it('for token servers and for what is redirected to', async () => {
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return [addressOf('127.0.0.1')];
    };
    await using upstream = await upstreamWithImage();
    await using other = await upstreamWithImage();
    await using registry = named('registry.example', upstream, { names: someNames({ resolve }) });
    const realm = `http://auth.example:${other.port}/token`;
    upstream.faults.push(
      times(1, failing(401, { 'WWW-Authenticate': `Bearer realm="${realm}",service="x"` })),
      redirected(`http://storage.example:${other.port}`),
    );
    other.faults.push(times(1, () => ({ status: 200, headers: {}, body: [Buffer.from('{"token":"t"}')] })));
    await registry.getManifest(alpine, tag);
    assert.deepEqual(asked, ['registry.example', 'auth.example', 'storage.example']);
  });

  it('for a proxy', async () => {
    const asked: string[] = [];
    const resolve = async (name: string) => {
      asked.push(name);
      return [addressOf('127.0.0.1')];
    };
    await using upstream = await upstreamWithImage();
    await using proxy = await FakeProxy.start();
    const port = new URL(proxy.url()).port;
    proxy.routes.set(`registry.example:${upstream.port}`, upstream.port);
    const proxies = new ProxyChoice({ proxy: `http://proxy.example:${port}`, noProxy: [], env: {} });
    await using registry = named('registry.example', upstream, { names: someNames({ resolve }), proxies });
    await registry.getManifest(alpine, tag);
    assert.deepEqual([asked, upstream.requests.length], [['proxy.example'], 1]);
  });

  it('for a proxy whose name server is silent, which is said', async () => {
    const clock = new FakeClock();
    const system = new ScriptedNames();
    const names = someNames({ clock, resolve: system.resolve });
    const proxies = new ProxyChoice({ proxy: 'http://proxy.example:3128', noProxy: [], env: {} });
    await using registry = named('registry.example', { port: 80 }, { names, proxies, clock });
    const asking = assert.rejects(registry.getManifest(alpine, tag), {
      status: 503,
      message: /no answer from the proxy, .* \(the name server does not answer for it, ETIMEOUT\)$/,
      forOperator:
        /no answer from the proxy proxy\.example:3128, .* \(the name server does not answer for proxy\.example, ETIMEOUT\)$/,
    });
    await until(() => system.hanging === 1);
    await clock.advance(500);
    await clock.advance(3500);
    await asking;
  });
});
