import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RepositoryName } from '#src/oci/reference.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { bytes as bytesOf, collect } from '#test/fakes/images.ts';
import { app, limitedImages } from '#test/fakes/limited-images.ts';

const evil = repository('evil.example/any/thing');
const piece = 50_000;

/** A cache that is full of old images of 100 kB each, before an upstream of whose registry nobody knows anything. */
async function full(maxSize: number, images: number) {
  const cached = new CachedImages();
  const made = await limitedImages({ maxSize }, { cache: cached, count: 0, believes: () => false });
  for (let at = 0; at < images; at += 1)
    await cached.image(app, `image ${at}`, [`${at}`.padEnd(100_000, 'x')], [`v${at}`]);
  cached.passes(CachedImages.graceMs + 1);
  const { room, used } = made;
  const cache = new CacheUnderTest({ metadata: cached.store, room });
  return { cached, cache, room, used, evictor: made.evictor };
}

function putBlob(cache: CacheUnderTest, owner: RepositoryName, length: number, seed: number) {
  const content = Buffer.from(bytesOf(length, seed));
  return { content, digest: cache.content.putBlob(owner, content).digest };
}

describe('a full cache, and a registry that nobody has configured', () => {
  it('keeps what it has for a large blob that never comes', async () => {
    const { cached, cache } = await full(1_250_000, 10);
    await using _ = cached;
    await using _cache = cache;
    const { digest } = putBlob(cache, evil, 1_000_000, 1);
    const stop = new AbortController();
    cache.upstream.body = async function* (chunks) {
      yield (await collect(chunks)).subarray(0, piece);
      await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
    };
    await using reader = await cache.registry.getBlob(evil, digest, { signal: stop.signal });
    await reader.body[Symbol.asyncIterator]().next();
    await cache.settle();
    assert.equal((await cached.left()).length, 10);
    stop.abort();
  });

  it('lets what has come in its place, for as much as it is', async () => {
    const { cached, cache, room, used } = await full(1_250_000, 10);
    await using _ = cached;
    await using _cache = cache;
    const { digest, content } = putBlob(cache, evil, 1_000_000, 1);
    await using reader = await cache.registry.getBlob(evil, digest);
    assert.ok((await collect(reader.body)).equals(content));
    await cache.settle();
    assert.equal((await cache.blobs.stat(digest))?.size, content.length);
    assert.ok((await used()) + room.bytes <= 1_250_000);
  });

  it('serves all who come at a time, stores some of it and never has more than it may', async () => {
    const most = 3_000_000;
    const { cached, cache, room, used } = await full(most, 25);
    await using _ = cached;
    await using _cache = cache;
    cache.upstream.body = async function* (chunks) {
      const all = await collect(chunks);
      for (let at = 0; at < all.length; at += piece) {
        assert.ok((await used()) + room.bytes <= most, `${await used()} and ${room.bytes}`);
        yield all.subarray(at, at + piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const blobs = Array.from({ length: 24 }, (_, at) => putBlob(cache, evil, 300_000, at + 1));
    await Promise.all(
      blobs.map(async ({ digest, content }) => {
        await using reader = await cache.registry.getBlob(evil, digest);
        assert.ok((await collect(reader.body)).equals(content));
      }),
    );
    await cache.settle();
    const stored = await Promise.all(blobs.map(async ({ digest }) => await cache.blobs.stat(digest)));
    const count = stored.filter((each) => each !== undefined).length;
    assert.ok(count >= 4, `${count} are stored`);
    assert.equal(room.bytes, 0);
    assert.ok((await used()) <= most);
  });
});
