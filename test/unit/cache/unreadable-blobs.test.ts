import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import { BlobUnreadableError, type OpenBlob } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, type Image, putImage } from '#test/fakes/images.ts';

const alpine = repository('docker.io/library/alpine');
const layer = Buffer.from(bytes(100_000));
const tag = parseTag('v1');

/** What lies in it cannot be opened, or not be read, until it is written anew. */
class SpoiltStore extends MemoryBlobStore {
  spoilt: 'open' | 'read' | undefined;

  override async open(digest: Parameters<MemoryBlobStore['open']>[0]): Promise<OpenBlob | undefined> {
    const blob = await super.open(digest);
    if (blob === undefined || this.spoilt === undefined) return blob;
    if (this.spoilt === 'open') throw new BlobUnreadableError('EACCES');
    const error = new BlobUnreadableError('EIO');
    return {
      ...blob,
      // biome-ignore lint/correctness/useYield: it fails before its first byte.
      async *read(_range, failed) {
        failed?.(error);
        throw error;
      },
    };
  }

  override async put(...asked: Parameters<MemoryBlobStore['put']>) {
    this.spoilt = undefined;
    return await super.put(...asked);
  }
}

async function filled(): Promise<{ blobs: SpoiltStore; cache: CacheUnderTest; image: Image }> {
  const blobs = new SpoiltStore();
  const cache = new CacheUnderTest({ blobs });
  const image = putImage(cache.content, alpine, tag, [layer]);
  await read(cache, image);
  await cache.settle();
  return { blobs, cache, image };
}

async function read(cache: CacheUnderTest, { layers }: Image): Promise<Buffer> {
  const [first] = layers;
  assert.ok(first);
  await using reader = await cache.registry.getBlob(alpine, first.digest, cache.reporting);
  return await collect(reader.body);
}

describe('a cached blob that cannot be read', () => {
  it('is fetched again where it cannot be opened, and is a hit then', async () => {
    const { blobs, cache, image } = await filled();
    await using _ = cache;
    blobs.spoilt = 'open';
    assert.ok((await read(cache, image)).equals(layer));
    assert.equal(cache.outcome?.kind, 'miss');
    await cache.settle();
    assert.ok((await read(cache, image)).equals(layer));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    const gets = cache.upstream.calls.filter((call) => call.startsWith('GET'));
    assert.equal(gets.length, 2);
  });

  it('fails whoever reads it first, and is fetched again for the next', async () => {
    const { blobs, cache, image } = await filled();
    await using _ = cache;
    blobs.spoilt = 'read';
    await assert.rejects(read(cache, image), BlobUnreadableError);
    assert.ok((await read(cache, image)).equals(layer));
    await cache.settle();
    assert.ok((await read(cache, image)).equals(layer));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });

  it('keeps its links: what may be the whole disk’s fault for a while is there again afterwards', async () => {
    const { blobs, cache, image } = await filled();
    await using _ = cache;
    blobs.spoilt = 'open';
    cache.upstream.script = () => {
      throw new Error('upstream is away');
    };
    await assert.rejects(read(cache, image));
    const [first] = image.layers;
    assert.ok(first);
    assert.equal(await cache.parts.metadata.hasBlob(alpine, first.digest), true);
  });
});

describe('a cached manifest that cannot be read', () => {
  for (const spoilt of ['open', 'read'] as const) {
    it(`is fetched again and written anew: ${spoilt}`, async () => {
      const blobs = new SpoiltStore();
      const metadata = SqliteMetadataStore.inMemory();
      const content = new CacheUnderTest();
      const image = putImage(content.content, alpine, tag, [layer]);
      const { digest } = image.manifest;
      {
        await using cache = new CacheUnderTest({ blobs, metadata, upstream: content.content });
        await cache.registry.getManifest(alpine, digest);
        await cache.settle();
      }
      blobs.spoilt = spoilt;
      await using cache = new CacheUnderTest({ blobs, metadata, upstream: content.content });
      assert.equal((await cache.registry.getManifest(alpine, digest)).descriptor.digest, digest);
      await cache.settle();
      assert.equal(blobs.spoilt, undefined);
      assert.deepEqual(cache.upstream.calls, [`GET ${alpine} manifest ${digest}`]);
    });
  }
});

describe('a server that had no room for its cache when it started', () => {
  it('keeps nothing that whoever asks could make grow', async () => {
    const blobs = new MemoryBlobStore({ capacity: 0 });
    const metadata = SqliteMetadataStore.inMemory({ isFull: true });
    await using cache = new CacheUnderTest({ blobs, metadata });
    const image = putImage(cache.content, alpine, tag, [layer]);
    await cache.registry.getManifest(alpine, tag);
    await cache.registry.listTags(alpine);
    await cache.registry.listReferrers(alpine, image.manifest.digest);
    assert.ok((await read(cache, image)).equals(layer));
    await cache.settle();
    assert.equal(await metadata.getTagList(alpine), undefined);
    assert.equal(await metadata.getReferrersList(alpine, image.manifest.digest), undefined);
    assert.deepEqual((await metadata.inventory.totals()).blobs, 0);
  });
});
