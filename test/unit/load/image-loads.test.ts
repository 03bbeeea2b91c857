import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ImageLoads, type LoadedImage } from '#src/load/load-images.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { type CacheOptions, CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';

const app = repository('quay.io/team/app');

/** Loads tags of one repository into a cache, while its time passes. */
async function load(cache: CacheUnderTest, tags: readonly string[]): Promise<LoadedImage[]> {
  const { metadata, clock } = cache.parts;
  const signal = new AbortController().signal;
  const parts = { registryOf: () => cache.registry, metadata, clock };
  const loads = new ImageLoads(parts, { platforms: [], referrers: false }, signal);
  const ended: LoadedImage[] = [];
  const images = tags.map((tag) => ({ name: tag, repository: app, reference: parseTag(tag) }));
  const over = new AbortController();
  const running = loads.run(images, (image) => ended.push(image)).finally(() => over.abort());
  while (!over.signal.aborted) {
    await cache.settle();
    await cache.clock.advance(1000);
  }
  await running;
  return ended;
}

function cacheOf(options: CacheOptions = {}): CacheUnderTest {
  const cache = new CacheUnderTest(options);
  putImage(cache.content, app, 'v1', [bytes(100_000, 1)]);
  return cache;
}

describe('loading images into a cache', () => {
  it('is no success where nothing can be stored, though a client would be served', async () => {
    await using cache = cacheOf({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const [image] = await load(cache, ['v1']);
    assert.match(image?.problem ?? '', /cannot be stored|could not be stored/);
  });

  it('is no success where the index takes nothing', async () => {
    await using cache = cacheOf({ metadata: SqliteMetadataStore.inMemory({ isFull: true }) });
    const [image] = await load(cache, ['v1']);
    assert.match(image?.problem ?? '', /was fetched and could not be stored: is there room on the disk\?$/);
  });

  it('waits for what upstream says before it asks again, and gives up at the third time', async () => {
    await using cache = cacheOf();
    let asked = 0;
    cache.upstream.getManifest = async () => {
      asked += 1;
      throw new RegistryError('TOOMANYREQUESTS', 'limited', { headers: { 'Retry-After': '30' } });
    };
    const from = cache.clock.monotonic();
    const [image] = await load(cache, ['v1']);
    assert.deepEqual([image?.problem, asked], ['limited', 3]);
    assert.ok(cache.clock.monotonic() - from >= 60_000);
  });

  it('asks once for what will not be otherwise', async () => {
    await using cache = cacheOf();
    const images = await load(cache, ['none']);
    assert.match(images[0]?.problem ?? '', /not known|unknown/);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('tries each image once of a registry that did not answer before', async () => {
    await using cache = cacheOf();
    let asked = 0;
    cache.upstream.getManifest = async () => {
      asked += 1;
      throw new RegistryError('UNAVAILABLE', 'down');
    };
    const tags = Array.from({ length: 40 }, (_, at) => `v${at}`);
    const images = await load(cache, tags);
    assert.ok(images.every(({ problem }) => problem === 'down'));
    // Those that ran at the same time did not know.
    assert.ok(asked <= tags.length + 2 * 4, String(asked));
  });
});
