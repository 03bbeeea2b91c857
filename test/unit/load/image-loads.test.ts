import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { freshnessPolicy } from '#src/cache/memory/freshness.ts';
import { ImageLoads, type ImageLoadsParts, type LoadedImage } from '#src/load/load-images.ts';
import { LoadProgress } from '#src/load/load-progress.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { type CacheOptions, CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';

const app = repository('quay.io/team/app');

/** Loads tags of one repository into a cache, while its time passes. */
async function load(
  cache: CacheUnderTest,
  tags: readonly string[],
  more: Partial<ImageLoadsParts> = {},
): Promise<LoadedImage[]> {
  const { metadata, clock } = cache.parts;
  const signal = new AbortController().signal;
  const parts = { registryOf: () => cache.registry, metadata, clock, ...more };
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

describe('an image that is here from before', () => {
  const policy = { freshness: freshnessPolicy([], 'always') };

  it('is kept and not loaded where upstream cannot say whether it is still the same', async () => {
    await using cache = cacheOf({ policy });
    const [before] = await load(cache, ['v1']);
    assert.equal(before?.problem, undefined);
    let asked = 0;
    cache.upstream.script = () => {
      asked += 1;
      throw new RegistryError('UNAVAILABLE', 'down');
    };
    const [image] = await load(cache, ['v1']);
    assert.deepEqual(
      [image?.problem, image?.kept, image?.digest, asked],
      ['down', before?.digest, undefined, 3],
    );
  });

  it('is loaded anew where upstream says so in the end', async () => {
    await using cache = cacheOf({ policy });
    await load(cache, ['v1']);
    const moved = putImage(cache.content, app, 'v1', [bytes(100, 2)]);
    let left = 1;
    cache.upstream.script = () => {
      left -= 1;
      if (left >= 0) throw new RegistryError('UNAVAILABLE', 'down');
    };
    const [image] = await load(cache, ['v1']);
    assert.deepEqual(
      [image?.problem, image?.kept, image?.digest],
      [undefined, undefined, moved.manifest.digest],
    );
  });

  it('has failed where upstream says that it is gone, and where what it says now cannot be had', async () => {
    await using cache = cacheOf({ policy });
    await load(cache, ['v1']);
    cache.upstream.script = () => {
      throw new RegistryError('MANIFEST_UNKNOWN', 'gone');
    };
    const [gone] = await load(cache, ['v1']);
    assert.deepEqual([gone?.problem, gone?.kept], ['gone', undefined]);
    putImage(cache.content, app, 'v1', [bytes(100_000, 3)]);
    cache.upstream.script = (call) => {
      if (call.includes(' blob ')) throw new RegistryError('UNAVAILABLE', 'down');
    };
    const [broken] = await load(cache, ['v1']);
    assert.deepEqual([broken?.problem, broken?.kept], ['down', undefined]);
  });
});

describe('many images', () => {
  it('are loaded so many at a time as are wanted, and what runs is told', async () => {
    await using cache = cacheOf();
    const tags = Array.from({ length: 1000 }, (_, at) => `v${at}`);
    for (const [at, tag] of tags.entries()) putImage(cache.content, app, tag, [bytes(500, at)]);
    const progress = new LoadProgress();
    let [most, blobs, mostBlobs] = [0, 0, 0];
    cache.upstream.script = () => {
      most = Math.max(most, progress.running.length);
    };
    cache.upstream.body = async function* (chunks) {
      blobs += 1;
      mostBlobs = Math.max(mostBlobs, blobs);
      yield* chunks;
      blobs -= 1;
    };
    const images = await load(cache, tags, { progress, parallel: 16 });
    assert.equal(images.filter(({ problem }) => problem === undefined).length, 1000);
    assert.deepEqual([most, progress.running], [16, []]);
    assert.ok(mostBlobs <= 32, `${mostBlobs} blobs at a time`);
    const fetched = images.reduce((sum, { tally }) => sum + tally.fetched, 0);
    assert.deepEqual([progress.fetched, fetched > 500_000], [fetched, true]);
    const [one] = images;
    assert.equal(one?.tally.expected, one?.tally.fetched);
  });
});
