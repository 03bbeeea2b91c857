import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { ServerOptions } from 'node:https';
import { after, before, describe, it } from 'node:test';
import { inspect } from 'node:util';
import { staticCredentials } from '#src/credentials/credentials.ts';
import { ProxyChoice } from '#src/net/dial/proxy-choice.ts';
import { TlsTrust } from '#src/net/dial/tls-trust.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost, parseTag } from '#src/oci/reference.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { type KeyPair, serverKeys, TestAuthority } from '#test/fakes/certificates.ts';
import { FakeProxy } from '#test/fakes/fake-proxy.ts';
import { FakeTokenServer } from '#test/fakes/fake-token-server.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { openUpstream } from '#test/fakes/open-upstream.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { failing, on, redirected } from '#test/fakes/upstream-faults.ts';
import { needs } from '#test/setup/needs.ts';

const tag = parseTag('v1');
const layer = Buffer.from(bytes(500_000));
const basic = `Basic ${Buffer.from('me:s3cret-in-tests-hunter2').toString('base64')}`;

function through(proxy: FakeProxy, userinfo = ''): ProxyChoice {
  return new ProxyChoice({ proxy: proxy.url(userinfo), noProxy: [], env: {} });
}

interface Setting {
  readonly userinfo?: string;
  readonly keys?: KeyPair;
  readonly proxyKeys?: KeyPair;
  /** What the registry asks of clients' certificates. */
  readonly wantsClient?: ServerOptions;
}

/** An upstream with one image that is called registry.example, which only the proxy can resolve. */
async function start(
  settings: Partial<UpstreamSettings> = {},
  { userinfo = '', keys, proxyKeys, wantsClient = {} }: Setting = {},
) {
  await using stack = new AsyncDisposableStack();
  const tls = keys === undefined ? {} : { tls: { ...(await serverKeys(keys)), ...wantsClient } };
  const upstream = stack.use(await FakeUpstream.start(tls));
  const proxy = stack.use(await FakeProxy.start(proxyKeys && (await serverKeys(proxyKeys))));
  const name = upstream.repository('library/alpine');
  const image = putImage(upstream.content, name, tag, [layer]);
  const authority = `registry.example:${keys === undefined ? 80 : 443}`;
  proxy.routes.set(authority, upstream.port);
  const registry = stack.use(
    openUpstream(
      { host: parseRegistryHost('registry.example'), origin: upstream.origin },
      { proxies: through(proxy, userinfo), trust: new TlsTrust({}), ...settings },
    ),
  );
  const opened = stack.move();
  return {
    upstream,
    proxy,
    registry,
    name,
    digest: image.layers[0]?.digest ?? assert.fail(),
    pull: async () => {
      await registry.getManifest(name, tag);
      await using reader = await registry.getBlob(name, image.layers[0]?.digest ?? assert.fail());
      assert.ok((await collect(reader.body)).equals(layer));
    },
    [Symbol.asyncDispose]: async () => await opened.disposeAsync(),
  };
}

async function failure(work: Promise<unknown>): Promise<RegistryError> {
  const error: unknown = await work.then(
    () => assert.fail('it did not fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof RegistryError);
  assert.doesNotMatch(inspect(error, { depth: 9 }), /hunter2|aHVudGVy|bWU6/);
  return error;
}

describe('a registry of plain http behind a proxy', () => {
  it('is asked by its whole URL, with the name that the proxy resolves, and never sees who we are at the proxy', async () => {
    await using made = await start({}, { userinfo: 'me:s3cret-in-tests-hunter2' });
    const { proxy, upstream, digest } = made;
    await made.pull();
    const base = 'GET http://registry.example/v2/library/alpine';
    assert.deepEqual(proxy.calls, [`${base}/manifests/v1`, `${base}/blobs/${digest}`]);
    assert.deepEqual(
      proxy.requests.map(({ authorization }) => authorization),
      [basic, basic],
    );
    assert.deepEqual(
      upstream.requests.map(({ host }) => host),
      ['registry.example', 'registry.example'],
    );
  });

  it('has its proxy named when that wants a password', async () => {
    await using made = await start({}, { userinfo: 'me:s3cret-in-tests-hunter2' });
    made.proxy.refuses = 407;
    const { status, forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.equal(status, 502);
    assert.equal(
      message,
      `the proxy 127.0.0.1:${made.proxy.port} gave no way to http://registry.example: it answered 407 (it wants user and password, or refuses those in its URL)`,
    );
    assert.deepEqual(made.upstream.calls, []);
  });

  it('sends its clients to other origins through the proxy too: redirects and token servers', async () => {
    await using tokens = await FakeTokenServer.start();
    await using storage = await FakeUpstream.start();
    await using made = await start();
    const { proxy, upstream, digest } = made;
    storage.faults.push(() => ({ status: 200, headers: {}, body: [layer] }));
    proxy.routes.set('tokens.example:80', Number(new URL(tokens.realm).port));
    proxy.routes.set('storage.example:80', storage.port);
    upstream.faults.push(on(/blobs/, redirected('http://storage.example')));
    upstream.faults.push(on(/manifests/, tokens.faultFor('http://tokens.example/token')));
    await made.pull();
    assert.deepEqual(
      proxy.calls.map((call) => call.replace(/\?.*/, '')),
      [
        'GET http://registry.example/v2/library/alpine/manifests/v1',
        'GET http://tokens.example/token',
        'GET http://registry.example/v2/library/alpine/manifests/v1',
        `GET http://registry.example/v2/library/alpine/blobs/${digest}`,
        `GET http://storage.example/v2/library/alpine/blobs/${digest}`,
      ],
    );
    assert.equal(storage.requests[0]?.headers.authorization, undefined);
  });

  it('is refused, with the proxy unasked, where it redirects to an address of this network or of a cloud', async () => {
    for (const place of [
      'http://10.0.0.1',
      'http://169.254.169.254',
      'http://localhost',
      'http://metadata.google.internal',
    ]) {
      await using made = await start();
      made.upstream.faults.push(redirected(place));
      await assert.rejects(made.registry.getManifest(made.name, tag), { code: 'DENIED', status: 403 });
      assert.equal(made.proxy.requests.length, 1, place);
    }
  });

  it('keeps its connections, downloads apart from the rest', async () => {
    await using made = await start();
    for (let round = 0; round < 3; round += 1) await made.pull();
    // From us to the proxy; the fake closes its own behind each answer.
    assert.equal(made.proxy.accepted, 2);
  });
});

describe('a proxy that is not there', () => {
  it('is named, without its password, in a 502', async () => {
    await using made = await start({}, { userinfo: 'me:s3cret-in-tests-hunter2' });
    const { port } = made.proxy;
    await made.proxy[Symbol.asyncDispose]();
    const { status, forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.equal(status, 502);
    assert.equal(
      message,
      `no answer from the proxy 127.0.0.1:${port}, by which http://registry.example is reached (connection refused, ECONNREFUSED)`,
    );
  });
});

describe('an origin', () => {
  it('at a private address redirects within its network also behind a proxy', async () => {
    await using upstream = await FakeUpstream.start();
    await using storage = await FakeUpstream.start({ content: upstream.content });
    await using proxy = await FakeProxy.start();
    const name = upstream.repository('library/alpine');
    putImage(upstream.content, name, tag, []);
    upstream.faults.push(redirected(storage.origin));
    await using registry = openUpstream(upstream, { proxies: through(proxy) });
    await registry.getManifest(name, tag);
    assert.deepEqual(
      proxy.calls.map((call) => call.replace('/v2/library/alpine/manifests/v1', '')),
      [`GET ${upstream.origin}`, `GET ${storage.origin}`],
    );
  });

  it('that noProxy covers is reached directly', async () => {
    await using upstream = await FakeUpstream.start();
    await using proxy = await FakeProxy.start();
    const name = upstream.repository('library/alpine');
    putImage(upstream.content, name, tag, []);
    const proxies = new ProxyChoice({ proxy: proxy.url(), noProxy: ['127.0.0.0/8'], env: {} });
    await using registry = openUpstream(upstream, { proxies });
    await registry.getManifest(name, tag);
    assert.deepEqual(proxy.calls, []);
    assert.equal(upstream.requests.length, 1);
  });
});

describe('a registry of https behind a proxy', needs('openssl'), () => {
  let authority: TestAuthority;
  let keys: KeyPair;
  let proxyKeys: KeyPair;
  before(async () => {
    authority = await TestAuthority.create();
    keys = await authority.issue('registry', 'DNS:registry.example');
    proxyKeys = await authority.issue('proxy', 'IP:127.0.0.1');
  });
  after(async () => await authority[Symbol.asyncDispose]());
  const trusting = () => ({ tls: { caFiles: [authority.caFile] } });

  it('is reached by tunnels, in which TLS is as without a proxy, and no header of the proxy’s', async () => {
    await using made = await start(trusting(), { keys, userinfo: 'me:s3cret-in-tests-hunter2' });
    await made.pull();
    await made.pull();
    assert.deepEqual(made.proxy.calls, ['CONNECT registry.example:443', 'CONNECT registry.example:443']);
    assert.deepEqual(
      new Set(made.proxy.requests.map(({ authorization }) => authorization)),
      new Set([basic]),
    );
    assert.ok(made.upstream.requests.every(({ headers }) => headers['proxy-authorization'] === undefined));
  });

  it('is reached through a proxy of https', async () => {
    await using made = await start(trusting(), { keys, proxyKeys });
    await made.pull();
    assert.deepEqual(made.proxy.calls, ['CONNECT registry.example:443', 'CONNECT registry.example:443']);
  });

  it('is not believed without its authority, and the message says through which proxy', async () => {
    await using made = await start({}, { keys });
    const { forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.match(
      message,
      /^no answer from https:\/\/registry\.example through the proxy 127\.0\.0\.1:\d+ \(its certificate authority is not known/,
    );
    assert.deepEqual(made.upstream.calls, []);
  });

  it('has its certificate taken unseen where that is configured, and nobody else’s', async () => {
    await using made = await start({ tls: { insecureSkipVerify: true } }, { keys });
    await made.registry.getManifest(made.name, tag);
    made.proxy.routes.set('elsewhere.example:443', made.upstream.port);
    made.upstream.faults.push(on(/blobs/, redirected('https://elsewhere.example')));
    const { forOperator: message } = await failure(made.registry.getBlob(made.name, made.digest));
    assert.match(message, /^no answer from https:\/\/elsewhere\.example through the proxy/);
  });

  it('is shown its client certificate through the tunnel', async () => {
    const client = await authority.issue('client', 'DNS:client');
    const wantsClient = { requestCert: true, ca: await readFile(authority.caFile) };
    const tls = { caFiles: [authority.caFile], ...client };
    await using made = await start({ tls }, { keys, wantsClient });
    await made.pull();
    await using without = await start(trusting(), { keys, wantsClient });
    await failure(without.registry.getManifest(without.name, tag));
    assert.deepEqual(without.upstream.calls, []);
  });

  const refusals: [status: number, passed: number, reason: string][] = [
    [407, 502, 'it wants user and password, or refuses those in its URL'],
    [403, 502, 'its rules forbid it'],
    [503, 502, 'it could not reach it'],
    [504, 504, 'it could not reach it'],
    [404, 502, 'is it a proxy?'],
  ];
  for (const [answered, passed, reason] of refusals) {
    it(`has its proxy named, and its connection closed, when that answers CONNECT by ${answered}`, async () => {
      await using made = await start(trusting(), { keys, userinfo: 'me:s3cret-in-tests-hunter2' });
      made.proxy.refuses = answered;
      const { status, forOperator: message, code } = await failure(made.registry.getManifest(made.name, tag));
      assert.deepEqual([code, status], ['UNAVAILABLE', passed]);
      assert.equal(
        message,
        `the proxy 127.0.0.1:${made.proxy.port} gave no way to https://registry.example: it answered ${answered} (${reason})`,
      );
      await made.proxy.idle();
    });
  }

  it('may answer 407 itself, and is not taken for the proxy then', async () => {
    await using made = await start(trusting(), { keys });
    made.upstream.faults.push(failing(407));
    const { forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.equal(message, 'https://registry.example answered 407: fault 407');
  });

  it('has its proxy named when that takes the connection and says nothing', async () => {
    await using made = await start({ ...trusting(), connectTimeoutMs: 50, pullTimeoutMs: 2000 }, { keys });
    const never = gate();
    made.proxy.wait = never.wait;
    const { status, forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    never.open();
    assert.equal(status, 504);
    assert.match(
      message,
      /^no answer from the proxy 127\.0\.0\.1:\d+, by which .* \(connecting took too long/,
    );
  });

  it('has its proxy named when that hangs up instead of answering', async () => {
    await using made = await start(trusting(), { keys });
    made.proxy.wait = () => Promise.reject(new Error('hang up'));
    const { status, forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.equal(status, 502);
    assert.match(message, /^no answer from the proxy 127\.0\.0\.1:\d+, by which .* \(connection reset/);
  });

  it('has its proxy named when the tunnel closes before TLS stands', async () => {
    await using made = await start(trusting(), { keys });
    made.proxy.cutsAfter = -1;
    const { status, forOperator: message } = await failure(made.registry.getManifest(made.name, tag));
    assert.equal(status, 502);
    assert.match(message, /through the proxy 127\.0\.0\.1:\d+ \(/);
  });

  it('may have its tunnel closed in the middle of a blob: that is said, and no connection is left', async () => {
    await using made = await start(trusting(), { keys });
    made.proxy.cutsAfter = 100_000;
    await using reader = await made.registry.getBlob(made.name, made.digest);
    const { code } = await failure(collect(reader.body));
    assert.equal(code, 'UNAVAILABLE');
    made.proxy.cutsAfter = Number.POSITIVE_INFINITY;
    await made.pull();
    await made.registry[Symbol.asyncDispose]();
    await made.proxy.idle();
    assert.equal(made.proxy.open, 0);
  });
});

describe('a registry’s credentials', () => {
  it('go to the registry, not to the proxy', async () => {
    const credentials = staticCredentials({ kind: 'static', authorization: 'Bearer registry-secret' });
    await using made = await start({ credentials });
    await made.pull();
    assert.ok(
      made.upstream.requests.every(({ headers }) => headers.authorization === 'Bearer registry-secret'),
    );
    assert.ok(made.proxy.requests.every(({ authorization }) => authorization === undefined));
  });
});
