import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ContentEvent } from '#src/observe/content-event.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';

const app = repository('ghcr.io/team/app');
const v1 = parseTag('v1');

function watched() {
  const events: ContentEvent[] = [];
  const cache = new CacheUnderTest({ tell: (event) => void events.push(event) });
  return { cache, events, kinds: () => events.map(({ kind }) => kind) };
}

describe('what the cache tells of', () => {
  it('is what has come from upstream: a manifest with its tag, a blob when it is stored, each once', async () => {
    const { cache, events } = watched();
    await using _ = cache;
    const image = putImage(cache.content, app, 'v1', [bytes(1000), bytes(200_000, 2)]);
    for (let times = 0; times < 3; times += 1) {
      await cache.registry.getManifest(app, v1);
      for (const { digest } of image.layers) {
        await using blob = await cache.registry.getBlob(app, digest);
        await collect(blob.body);
      }
      await cache.settle();
    }
    const told = events.map((event) =>
      event.kind === 'fill' ? [event.descriptor.digest, event.descriptor.size, event.tag] : event.kind,
    );
    assert.deepEqual(told, [
      [image.manifest.digest, image.manifest.size, 'v1'],
      ...image.layers.map(({ digest, size }) => [digest, size, undefined]),
    ]);
  });

  it('is a tag that moved, and one that is gone: once, until it is there again', async () => {
    const { cache, events, kinds } = watched();
    await using _ = cache;
    const first = putImage(cache.content, app, 'v1', [bytes(10, 1)]);
    await cache.registry.getManifest(app, v1);
    const second = putImage(cache.content, app, 'v1', [bytes(10, 2)]);
    await cache.registry.refresh(app, v1);
    await cache.registry.refresh(app, v1);
    const [moved] = events.filter(({ kind }) => kind === 'moved');
    assert.ok(moved?.kind === 'moved');
    assert.deepEqual([moved.from, moved.to], [first.manifest.digest, second.manifest.digest]);
    assert.equal(kinds().filter((kind) => kind === 'moved').length, 1);
    const absent = (): never => {
      throw new RegistryError('MANIFEST_UNKNOWN');
    };
    for (const times of [1, 2]) {
      cache.upstream.script = absent;
      for (let asked = 0; asked < 3; asked += 1) await assert.rejects(cache.registry.refresh(app, v1));
      assert.equal(kinds().filter((kind) => kind === 'gone').length, times);
      cache.upstream.script = () => undefined;
      await cache.registry.refresh(app, v1);
    }
  });

  it('is nothing of a tag that never was here', async () => {
    const { cache, events } = watched();
    await using _ = cache;
    await assert.rejects(cache.registry.refresh(app, v1));
    assert.deepEqual(events, []);
  });
});

describe('a tag of which something has just been told', () => {
  it('is asked about anew, whatever question was on its way before', async () => {
    await using cache = new CacheUnderTest({ policy: { freshness: () => 'always' } });
    putImage(cache.content, app, 'v1', [bytes(10, 1)]);
    await cache.registry.getManifest(app, v1);
    const answered = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    let count = 0;
    const { registry, upstream } = cache;
    upstream.script = async (call) => {
      if (!call.startsWith('HEAD')) return;
      count += 1;
      if (count > 1) return;
      asked.resolve();
      await answered.promise;
    };
    const client = registry.resolveManifest(app, v1);
    await asked.promise;
    const refreshed = registry.refresh(app, v1);
    await cache.settle();
    assert.equal(count, 1);
    const newer = putImage(cache.content, app, 'v1', [bytes(10, 2)]);
    answered.resolve();
    await client;
    const { digest } = await refreshed;
    assert.deepEqual([count, digest], [2, newer.manifest.digest]);
  });
});
