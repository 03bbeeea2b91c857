import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { staticCredentials } from '#src/credentials/credentials.ts';
import { parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { someNames } from '#test/fakes/names.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { secret } from '#test/fakes/secrets.ts';
import {
  basicAuth,
  failing,
  on,
  redirected,
  rejectsAuthorization,
  times,
} from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const tag = parseTag('v1');
const alpine = repository('docker.io/library/alpine');
const layer = Buffer.from(bytes(200_000));
const credentials = staticCredentials({ kind: 'basic', username: 'u', password: secret('p') });

async function start(...[settings]: Parameters<typeof UpstreamUnderTest.start>) {
  const made = await UpstreamUnderTest.start(settings);
  const image = putImage(made.upstream.content, made.name, tag, [layer]);
  const digest = image.layers[0]?.digest ?? assert.fail();
  return { made, image, digest, [Symbol.asyncDispose]: async () => await made[Symbol.asyncDispose]() };
}

describe('an upstream that wants a token', () => {
  it('is pulled from with one token for the repository, though forty ask at once', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start();
    const { made, digest } = test;
    made.spoil(tokens.fault);
    await Promise.all(
      Array.from({ length: 40 }, async (_, at) =>
        at % 2 === 0
          ? await made.registry.getManifest(made.name, tag)
          : await made.registry.resolveBlob(made.name, digest),
      ),
    );
    assert.deepEqual(
      tokens.requests.map(({ method, query }) => `${method} ${decodeURIComponent(query)}`),
      ['GET ?scope=repository:library/alpine:pull&service=fake'],
    );
    made.upstream.requests.length = 0;
    await made.registry.listTags(made.name);
    assert.deepEqual(
      made.upstream.requests.map(({ headers: { authorization } }) => authorization),
      [`Bearer ${secret('token-1')}`],
    );
  });

  it('gets a new one after it forgot the old', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start();
    const { made } = test;
    made.spoil(tokens.fault);
    await made.registry.getManifest(made.name, tag);
    tokens.revoke();
    await made.registry.getManifest(made.name, tag);
    assert.equal(tokens.requests.length, 2);
  });

  it('waits for a token server that is broken for a moment, and reports one that stays so', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start();
    const { made } = test;
    made.spoil(tokens.fault);
    tokens.spoil(times(2, failing(503)));
    await made.registry.getManifest(made.name, tag);
    assert.equal(tokens.requests.length, 3);
    tokens.revoke();
    tokens.spoil(failing(503, { 'Retry-After': '7' }));
    await assert.rejects(made.registry.getManifest(made.name, tag), {
      code: 'UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '7' },
    });
  });

  it('asks a token server that cannot be reached three times, not nine', async () => {
    await using test = await start();
    const { made } = test;
    const tokens = await FakeTokenServer.start();
    made.spoil(tokens.fault);
    tokens.spoil(() => {
      throw new Error('breaks off');
    });
    await assert.rejects(made.registry.getManifest(made.name, tag), { code: 'UNAVAILABLE', status: 502 });
    await tokens[Symbol.asyncDispose]();
    assert.equal(tokens.requests.length, 3);
    assert.equal(made.upstream.calls.length, 1);
  });

  it('follows the redirects of a token server three times', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start();
    const { made } = test;
    made.spoil(tokens.fault);
    tokens.spoil(times(3, redirected('')));
    await made.registry.getManifest(made.name, tag);
    assert.equal(tokens.requests.length, 4);
    tokens.revoke();
    tokens.spoil(times(4, redirected('')));
    await assert.rejects(made.registry.getManifest(made.name, tag), {
      code: 'DENIED',
      message: /redirects too often/,
    });
    assert.equal(tokens.requests.length, 8);
  });

  it('sends user and password to the token server alone', async () => {
    await using tokens = await FakeTokenServer.start();
    await using test = await start({ credentials });
    const { made } = test;
    made.spoil(tokens.fault);
    await made.registry.getManifest(made.name, tag);
    assert.equal(tokens.requests[0]?.headers.authorization, `Basic ${btoa(`u:${secret('p')}`)}`);
    assert.ok(tokens.requests.every(({ headers }) => headers['user-agent'] === 'ociregistry/test'));
    assert.ok(made.upstream.requests.every(({ headers }) => !headers.authorization?.startsWith('Basic')));
  });
});

describe('an upstream that redirects its blobs', () => {
  it('is followed without its credentials, by HEAD and by GET, from its own URL each time', async () => {
    await using cdn = await FakeUpstream.start();
    await using test = await start({ credentials });
    const { made, digest } = test;
    cdn.content.putBlob(cdn.repository('library/alpine'), layer);
    cdn.faults.push(rejectsAuthorization, on('HEAD', failing(403)));
    made.spoil(
      basicAuth('u', secret('p')),
      on(
        /blobs/,
        redirected(({ path }) => `${cdn.origin}${path}?sig='a'%2fb+c`),
      ),
    );
    assert.equal((await made.registry.resolveBlob(made.name, digest)).size, layer.length);
    await using reader = await made.registry.getBlob(made.name, digest, { range: { first: 5, last: 9 } });
    assert.ok(layer.subarray(5, 10).equals(await collect(reader.body)));
    const path = `/v2/library/alpine/blobs/${digest}`;
    assert.deepEqual(
      cdn.requests.map(({ method, path, query, headers: { range, authorization } }) => [
        `${method} ${path}${query}`,
        range,
        authorization,
      ]),
      [
        [`HEAD ${path}?sig='a'%2fb+c`, undefined, undefined],
        [`GET ${path}?sig='a'%2fb+c`, undefined, undefined],
        [`GET ${path}?sig='a'%2fb+c`, 'bytes=5-9', undefined],
      ],
    );
    // Twice more than it was asked for: the challenge, and the HEAD that became a GET.
    assert.equal(made.upstream.calls.length, 4);
  });

  it('to a place that wants a token of its own is met there as a stranger (registry.k8s.io)', async () => {
    await using tokens = await FakeTokenServer.start();
    await using other = await start();
    await using test = await start({ credentials });
    other.made.spoil(tokens.fault);
    test.made.spoil(redirected(other.made.upstream.origin));
    await test.made.registry.getManifest(test.made.name, tag);
    assert.equal(tokens.requests[0]?.headers.authorization, undefined);
    assert.ok(other.made.upstream.requests.every(({ headers }) => !headers.authorization?.includes('Basic')));
  });

  it('to a metadata service is not followed', async () => {
    await using test = await start();
    const { made } = test;
    for (const location of [
      'http://169.254.169.254/latest/meta-data/',
      'http://[::ffff:a9fe:a9fe]/',
      'http://0xa9fea9fe/',
      'http://[fd00:ec2::254]/',
    ]) {
      made.spoil(redirected(() => location));
      await assert.rejects(made.registry.getManifest(made.name, tag), {
        code: 'DENIED',
        status: 403,
        message: /refers to http:.* is not public/,
      });
    }
  });

  it('to a name whose address is a metadata service is not followed, nor is such a token server', async () => {
    await using upstream = await FakeUpstream.start();
    await using registry = openUpstream(upstream, {
      names: someNames({ resolve: async () => [{ address: '169.254.169.254', family: 4 }] }),
    });
    for (const fault of [
      redirected('http://metadata.example:80'),
      failing(401, { 'WWW-Authenticate': 'Bearer realm="http://metadata.example/token"' }),
    ]) {
      upstream.faults.splice(0, 1, fault);
      await assert.rejects(registry.getManifest(alpine, tag), {
        code: 'DENIED',
        message: /refers to http:\/\/metadata\.example, whose address is not public$/,
      });
      assert.equal(upstream.requests.length, 1);
      upstream.requests.length = 0;
    }
  });
});

describe('an upstream that is not configured', () => {
  it('is refused where its name leads into this machine: no connection, no second look at the name', async () => {
    await using upstream = await FakeUpstream.start();
    let resolutions = 0;
    await using registry = openUpstream(
      { host: parseRegistryHost(`rebind.example:${upstream.port}`), origin: 'http://rebind.example' },
      {
        configured: false,
        names: someNames({
          resolve: async () => {
            resolutions += 1;
            return [{ address: '127.0.0.1', family: 4 }];
          },
        }),
      },
    );
    await assert.rejects(registry.getManifest(alpine, tag), {
      code: 'DENIED',
      status: 403,
      message: /its address is not public; to allow it add:\nregistries:\n {2}- name: rebind\.example:/,
    });
    assert.deepEqual([upstream.connections, resolutions], [0, 1]);
  });

  it('is connected to at the address that was checked', async () => {
    await using upstream = await FakeUpstream.start();
    putImage(upstream.content, upstream.repository('library/alpine'), 'v1', []);
    let resolutions = 0;
    await using registry = openUpstream(
      { host: parseRegistryHost(`registry.example:${upstream.port}`), origin: 'http://registry.example' },
      {
        configured: false,
        unknownRegistries: 'any',
        names: someNames({
          resolve: async () => {
            resolutions += 1;
            return [{ address: resolutions === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }];
          },
        }),
      },
    );
    await registry.getManifest(alpine, tag);
    assert.equal(upstream.requests[0]?.host, `registry.example:${upstream.port}`);
    assert.deepEqual([upstream.connections, resolutions], [1, 1]);
  });

  it('is refused by its literal address without a connection', async () => {
    await using upstream = await FakeUpstream.start();
    await using registry = openUpstream(upstream, { configured: false });
    await assert.rejects(registry.getManifest(alpine, tag), { code: 'DENIED', status: 403 });
    assert.equal(upstream.connections, 0);
  });

  it('is not asked at all where unknown registries are none', async () => {
    await using upstream = await FakeUpstream.start();
    await using registry = openUpstream(upstream, { configured: false, unknownRegistries: 'none' });
    await assert.rejects(registry.getManifest(alpine, tag), { code: 'DENIED', message: /is not configured/ });
    assert.equal(upstream.connections, 0);
  });
});

describe('an upstream that is configured and on a private address', () => {
  it('may lead to another private place, also over a connection that was kept', async () => {
    await using inner = await start();
    await using test = await start({ maxConcurrent: 1 });
    await test.made.registry.getManifest(test.made.name, tag);
    test.made.spoil(redirected(inner.made.upstream.origin));
    for (let call = 0; call < 2; call += 1) await test.made.registry.getManifest(test.made.name, tag);
    assert.deepEqual([test.made.upstream.connections, inner.made.upstream.connections], [1, 1]);
  });
});

describe('an upstream that swallows every attempt to connect', () => {
  it('is known as that though a pull may take less than connecting', { timeout: 60_000 }, async () => {
    const oddities: string[] = [];
    const host = parseRegistryHost('registry.example');
    // It stands still while a connection is tried: that ends by its share of the try, however busy the machine is.
    const clock = new FakeClock();
    await using registry = openUpstream(
      { host, origin: 'https://registry.example' },
      {
        clock,
        pullTimeoutMs: 1000,
        connectTimeoutMs: 600_000,
        names: Object.assign(someNames(), {
          lookUp: async () => await Promise.withResolvers<never>().promise,
        }),
        onOddity: (message) => void oddities.push(message),
      },
    );
    const refused = assert.rejects(registry.getManifest(repository('registry.example/a/b'), tag), {
      message: /UND_ERR_CONNECT_TIMEOUT/,
    });
    const over = refused.then(() => true);
    const paused = async () => await clock.untilPausing().then(() => false);
    while (!(await Promise.race([over, paused()]))) await clock.advance(0);
    assert.deepEqual(oddities, ['upstream unavailable']);
  });
});

describe('docker.io', () => {
  it('is asked at the host of its API, under each of its names', async () => {
    for (const host of ['docker.io', 'index.docker.io', 'registry.hub.docker.com']) {
      const asked: string[] = [];
      await using registry = openUpstream(
        { host: parseRegistryHost(host), origin: 'https://docker.io' },
        {
          names: someNames({
            resolve: async (name) => {
              asked.push(name);
              throw Object.assign(new Error(), { code: 'ENOTFOUND' });
            },
          }),
        },
      );
      await assert.rejects(registry.getManifest(alpine, tag), { message: /registry-1\.docker\.io/ });
      assert.deepEqual(asked, ['registry-1.docker.io']);
    }
  });
});
