import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const layer = bytes(500_000);
const immutable = 'max-age=31536000, immutable';

/** A server whose one blob is on its way, all but its end. */
async function halfWay() {
  const stack = new AsyncDisposableStack();
  const cache = stack.use(new CacheUnderTest());
  const server = stack.use(await serveRegistry(cache.registry));
  const { digest } = cache.content.putBlob(alpine, layer);
  const end = gate();
  cache.upstream.body = async function* (chunks) {
    yield* chunks;
    await end.wait();
  };
  const path = `/v2/docker.io/library/alpine/blobs/${digest}`;
  const whole = ask(server, path);
  await end.reached;
  return {
    cache,
    server,
    path,
    whole,
    end,
    async controlOf(headers: Record<string, string> = {}, method = 'GET') {
      const answer = await ask(server, path, { headers, method });
      return [answer.status, answer.headers['cache-control']];
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

describe('what caches may keep of a blob', () => {
  for (const range of ['bytes=0-999', 'bytes=0-9, 100-109']) {
    it(`is no part of it while it is not verified: ${range}`, async () => {
      await using made = await halfWay();
      assert.deepEqual(await made.controlOf({ range }), [206, 'no-store']);
      made.end.open();
      await made.whole;
      await made.cache.settle();
      assert.deepEqual(await made.controlOf({ range }), [206, immutable]);
    });
  }

  it('is not the whole either, whose beginning a cache might keep when it breaks off', async () => {
    await using made = await halfWay();
    made.end.open();
    const { status, headers, body } = await made.whole;
    assert.deepEqual([status, headers['cache-control'], body.length], [200, 'no-store', layer.length]);
    await made.cache.settle();
    assert.deepEqual(await made.controlOf(), [200, immutable]);
    assert.deepEqual(await made.controlOf({}, 'HEAD'), [200, immutable]);
  });

  it('says nothing of what was not fetched yet', async () => {
    await using made = await halfWay();
    assert.deepEqual(await made.controlOf({}, 'HEAD'), [200, 'no-store']);
    made.end.open();
    await made.whole;
  });
});
