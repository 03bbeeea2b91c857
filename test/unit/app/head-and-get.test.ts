import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { chunked, failing, headers, on } from '#test/fakes/upstream-faults.ts';

/** Our program before an upstream with one image, whose HEADs are spoilt. */
async function start(fault: Fault) {
  const stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(3000)]);
  upstream.faults.push(on('HEAD', fault));
  const app = stack.use(
    await runApp({
      imagePath: directory.path,
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
      cache: { complete: false },
    }),
  );
  const described = async (method: 'GET' | 'HEAD', path: string, name = 'team/app') => {
    const { status, headers } = await ask(app.server, `/v2/up/${name}/${path}`, { method });
    return [status, headers['content-length'], headers['docker-content-digest'], headers['content-type']];
  };
  const untilStored = async (path: string) => {
    const isStored = async () => {
      const { headers } = await ask(app.server, `/v2/up/team/app/${path}`, { method: 'HEAD' });
      return headers['cache-status'] === 'ociregistry; hit';
    };
    const giveUpAt = Date.now() + 10_000;
    while (!(await isStored())) assert.ok(Date.now() < giveUpAt, `${path} is not stored`);
  };
  return {
    image,
    upstream,
    described,
    untilStored,
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

describe('HEAD and GET', () => {
  for (const [what, fault] of [
    ['says all', async (_, next) => await next()],
    ['says that there are no bytes', headers({ 'Content-Length': '0' })],
    ['does not say the length', chunked],
    ['is answered 404', failing(404)],
    ['is answered 403', failing(403)],
    ['is answered 405', failing(405)],
  ] as const satisfies [string, Fault][]) {
    it(`say the same of manifests and blobs, asked in either order, where upstream’s HEAD ${what}`, async () => {
      for (const order of [['HEAD', 'GET'] as const, ['GET', 'HEAD'] as const]) {
        await using test = await start(fault);
        const { image } = test;
        const paths = [
          `blobs/${image.config.digest}`,
          'manifests/v1',
          `manifests/${image.manifest.digest}`,
          `blobs/${image.layers[0]?.digest}`,
          'manifests/none',
        ];
        for (const path of paths) {
          const [first, second] = [
            await test.described(order[0], path),
            await test.described(order[1], path),
          ];
          assert.deepEqual(first, second, `${order[0]} ${path}`);
          assert.equal(first[0], path === 'manifests/none' ? 404 : 200, path);
        }
      }
    });
  }

  it('of a layer that another repository brought are answered though upstream’s HEAD says 404', async () => {
    await using test = await start(failing(404));
    const { image, upstream } = test;
    const layer = `blobs/${image.layers[0]?.digest}`;
    putImage(upstream.content, upstream.repository('team/other'), 'v1', [bytes(3000)]);
    await test.described('GET', layer);
    await test.untilStored(layer);
    upstream.requests.splice(0);
    for (const method of ['HEAD', 'GET'] as const) {
      assert.deepEqual((await test.described(method, layer, 'team/other')).slice(0, 2), [200, '3000']);
    }
    const asked = [`HEAD /v2/team/other/${layer}`, `GET /v2/team/other/${layer}`];
    assert.deepEqual(upstream.calls, [...asked, ...asked]);
    assert.equal(upstream.requests[1]?.headers.range, 'bytes=0-0');
  });

  it('of a blob that nobody knows the length of are answered without one, and never with 0', async () => {
    await using test = await start(chunked);
    test.upstream.faults.push(chunked, headers({ 'Content-Range': 'bytes 0-0/*' }));
    const blob = `blobs/${test.image.config.digest}`;
    const [status, length] = await test.described('HEAD', blob);
    assert.deepEqual([status, length], [200, undefined]);
    assert.deepEqual(await test.described('GET', blob), [
      status,
      length,
      test.image.config.digest,
      'application/octet-stream',
    ]);
  });
});
