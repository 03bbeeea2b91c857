import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { type Answer, ask, codeOf, serveRegistry } from '#test/fakes/registry-server.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const layer = bytes(200_000);
const digest = sha256(layer);
const base = '/v2/docker.io/library/alpine';

async function start() {
  const cache = new CacheUnderTest({ blobs: new MemoryBlobStore() });
  const image = putImage(cache.content, alpine, 'v1', [layer]);
  const headLimit = { clock: cache.clock, milliseconds: 20_000 };
  const server = await serveRegistry(cache.registry, { headLimit });
  return {
    cache,
    image,
    get: async (path: string, method = 'GET') => await ask(server, `${base}/${path}`, { method }),
    async [Symbol.asyncDispose]() {
      await cache[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

function late(answer: Answer, what: string): void {
  assert.deepEqual([answer.status, answer.headers['retry-after'], answer.isCut], [503, '2', false]);
  if (answer.body.length === 0) return;
  assert.equal(codeOf(answer), 'UNAVAILABLE');
  assert.match(answer.body.toString(), new RegExp(`still waiting for the ${what} from docker.io after 20 s`));
}

describe('a client that waits for a status line', () => {
  for (const [method, path, what] of [
    ['GET', 'manifests/v1', 'manifest'],
    ['HEAD', 'manifests/v1', 'manifest'],
    ['GET', `blobs/${digest}`, 'blob'],
    ['HEAD', `blobs/${digest}`, 'blob'],
    ['GET', 'tags/list', 'tags'],
    ['GET', `referrers/${digest}`, 'referrers'],
  ] as const) {
    it(`of ${method} ${what} is told after 20 s to ask again, and then joins what went on meanwhile`, async () => {
      await using made = await start();
      const { cache, get } = made;
      const held = gate();
      cache.upstream.script = held.wait;
      const first = get(path, method);
      await held.reached;
      await cache.clock.advance(19_999);
      const other = get(path, method);
      while (cache.clock.sleeping < 2) await new Promise((resolve) => setImmediate(resolve));
      await cache.clock.advance(1);
      late(await first, what);
      held.open();
      // It came later, and has its own time.
      assert.equal((await other).status, 200);
      assert.equal(cache.upstream.calls.length, 1);
    });
  }

  it('of a blob finds it here when the transfer went on without it', async () => {
    await using made = await start();
    const { cache, get } = made;
    const held = gate();
    cache.upstream.script = held.wait;
    const first = get(`blobs/${digest}`);
    await held.reached;
    await cache.clock.advance(20_000);
    late(await first, 'blob');
    held.open();
    await cache.settle();
    const again = await get(`blobs/${digest}`);
    assert.deepEqual([again.status, again.headers['cache-status']], [200, 'ociregistry; hit']);
    assert.equal(sha256(again.body), digest);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('has the status line of a blob whose bytes are late, and then all the time that they take', async () => {
    await using made = await start();
    const { cache, get } = made;
    const held = gate();
    cache.upstream.body = async function* (chunks) {
      await held.wait();
      yield* chunks;
    };
    const getting = get(`blobs/${digest}`);
    await held.reached;
    await cache.settle();
    await cache.clock.advance(60_000);
    held.open();
    const answer = await getting;
    assert.deepEqual([answer.status, sha256(answer.body)], [200, digest]);
  });

  it('has what is stale long before', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: () => 'always', staleDeadline: 2000 } });
    putImage(cache.content, alpine, 'v1', [layer]);
    const headLimit = { clock: cache.clock, milliseconds: 20_000 };
    await using server = await serveRegistry(cache.registry, { headLimit });
    await ask(server, `${base}/manifests/v1`);
    const held = gate();
    cache.upstream.script = held.wait;
    const stale = ask(server, `${base}/manifests/v1`);
    await held.reached;
    await cache.clock.advance(2000);
    assert.equal((await stale).status, 200);
    held.open();
  });

  it('that has left is not answered, and an error that comes in time is the one that is told', async () => {
    await using made = await start();
    const { cache, get } = made;
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE', 'no such luck', { status: 504 });
    };
    assert.equal((await get('manifests/v1')).status, 504);
    assert.equal(cache.clock.sleeping, 0);
  });
});
