import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { StoreRoom } from '#src/cache/fills/store-room.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes as bytesOf, collect } from '#test/fakes/images.ts';

const alpine = repository('docker.io/library/alpine');
const size = 1_000_000;

/** Room for blobs of at most so many bytes; how many are reserved. */
class ScriptedRoom implements StoreRoom {
  most = Number.POSITIVE_INFINITY;
  reserved = 0;

  admits(_host: string, bytes = 0): boolean {
    return bytes <= this.most;
  }

  reserve(host: string, bytes = 0): Disposable | undefined {
    if (!this.admits(host, bytes)) return undefined;
    this.reserved += bytes;
    return {
      [Symbol.dispose]: () => {
        this.reserved -= bytes;
      },
    };
  }
}

/** A cache before an upstream that has the blob, whose size the repository's manifests say. */
function cacheFor() {
  const room = new ScriptedRoom();
  const cache = new CacheUnderTest({ room });
  const content = Buffer.from(bytesOf(size));
  const { digest } = cache.content.putBlob(alpine, content);
  cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size }]);
  return { cache, room, content, digest };
}

describe('a blob for which the cache has no room', () => {
  it('passes through, and is stored when there is some', async () => {
    const { cache, room, content, digest } = cacheFor();
    await using _ = cache;
    room.most = size - 1;
    const pull = async (): Promise<Buffer> => {
      await using reader = await cache.registry.getBlob(alpine, digest);
      return await collect(reader.body);
    };
    assert.ok((await pull()).equals(content));
    await cache.settle();
    assert.equal(await cache.blobs.stat(digest), undefined);
    room.most = size;
    assert.ok((await pull()).equals(content));
    await cache.settle();
    assert.equal((await cache.blobs.stat(digest))?.size, size);
    assert.equal(room.reserved, 0);
  });

  it('is not fetched for one who wants it stored', async () => {
    const { cache, room, digest } = cacheFor();
    await using _ = cache;
    room.most = size - 1;
    await assert.rejects(cache.registry.bringBlob(alpine, digest), {
      status: 503,
      message: 'the cache may not hold so much',
    });
    assert.deepEqual(cache.upstream.calls, []);
    room.most = size;
    assert.deepEqual(await cache.registry.bringBlob(alpine, digest), { size, wasHere: false });
    room.most = 0;
    assert.deepEqual(await cache.registry.bringBlob(alpine, digest), { size, wasHere: true });
  });
});
