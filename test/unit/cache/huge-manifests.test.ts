import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { dropManifest, removeTag } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const alpine = repository('docker.io/library/alpine');
const busybox = repository('docker.io/library/busybox');
const v1 = parseTag('v1');
const layer = bytes(1000, 1);

/** An image of so many layers that they are not looked at, which claim a size that is wrong. */
function putHuge(
  cache: CacheUnderTest,
  where: RepositoryName,
  { digest, mediaType }: Descriptor,
  count = 1001,
): Descriptor {
  const layers = Array(count).fill({ mediaType, digest, size: 7 });
  return cache.content.putManifest(
    where,
    v1,
    Buffer.from(JSON.stringify({ config: {}, layers })),
    ociManifest,
  );
}

async function pull(cache: CacheUnderTest, where: RepositoryName, { digest }: Descriptor): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(where, digest);
  return await collect(reader.body);
}

/** Lets the completer take its next turns. */
async function turns(cache: CacheUnderTest): Promise<void> {
  for (let turn = 0; turn < 8; turn += 1) {
    await cache.settle();
    await cache.clock.advance(250);
  }
}

describe('a manifest of more than a thousand layers', () => {
  it('is served as it is, again without asking, and nothing is fetched for it', async () => {
    const log = new LogLines();
    await using cache = new CacheUnderTest({ log, policy: { complete: true } });
    const blob = cache.content.putBlob(alpine, layer);
    const { digest } = putHuge(cache, alpine, blob);
    for (const reference of [v1, digest, v1]) {
      const { descriptor, bytes: got } = await cache.registry.getManifest(alpine, reference);
      assert.deepEqual(
        [descriptor.digest, got],
        [digest, (await cache.content.getManifest(alpine, v1)).bytes],
      );
    }
    await turns(cache);
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} manifest v1`]);
    assert.equal(log.at('warn').filter((line) => line.includes('names more than 1000')).length, 1);
  });

  it('is kept, and what it names is not: neither as missing nor with the sizes that it claims', async () => {
    const metadata = SqliteMetadataStore.inMemory();
    await using cache = new CacheUnderTest({ metadata });
    const blob = cache.content.putBlob(alpine, layer);
    const { digest } = putHuge(cache, alpine, blob);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    assert.equal((await metadata.getManifest(alpine, digest))?.digest, digest);
    assert.deepEqual(await metadata.claimedSizes(alpine, blob.digest), []);
    assert.deepEqual(await metadata.listMissingBlobs(alpine, digest, 10), []);
    assert.deepEqual(await metadata.listManifestsOf(alpine, blob.digest, 10), []);
  });

  it('is as well an index of so many manifests: to remove it is one small step', async () => {
    const metadata = SqliteMetadataStore.inMemory();
    await using cache = new CacheUnderTest({ metadata });
    const manifests = Array.from({ length: 20_000 }, (_, at) => ({
      ...{ mediaType: ociManifest, digest: `sha256:${`${at}`.padStart(64, '0')}`, size: 7 },
    }));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
    const { digest } = cache.content.putManifest(alpine, v1, index, ociIndex);
    await cache.registry.getManifest(alpine, v1);
    await cache.settle();
    assert.equal((await metadata.getManifest(alpine, digest))?.digest, digest);
    assert.deepEqual(await metadata.graph.named(alpine, digest, { limit: 10 }), []);
    await metadata.change([removeTag(alpine, v1, digest), dropManifest(alpine, digest)]);
    assert.equal(await metadata.getManifest(alpine, digest), undefined);
    assert.equal((await metadata.graph.leaving({ limit: 10 })).length, 1);
  });

  it('can be pulled: its blobs come from upstream, by the right of its own repository alone', async () => {
    await using cache = new CacheUnderTest();
    const blob = cache.content.putBlob(alpine, layer);
    const other = cache.content.putBlob(busybox, bytes(1000, 2));
    putHuge(cache, alpine, blob);
    putHuge(cache, busybox, blob);
    await cache.registry.getManifest(alpine, v1);
    await cache.registry.getManifest(busybox, v1);
    assert.deepEqual(await pull(cache, alpine, blob), Buffer.from(layer));
    await cache.settle();
    cache.upstream.calls.length = 0;
    await assert.rejects(pull(cache, busybox, blob), { code: 'BLOB_UNKNOWN' });
    await assert.rejects(pull(cache, alpine, other), { code: 'BLOB_UNKNOWN' });
    assert.deepEqual(cache.upstream.calls, [
      `HEAD ${busybox} blob ${blob.digest}`,
      `GET ${alpine} blob ${other.digest}`,
    ]);
  });

  it('is found on the disk by the next process, and can be pulled while upstream is away', async () => {
    await using first = new CacheUnderTest();
    const blob = first.content.putBlob(alpine, layer);
    const { digest } = putHuge(first, alpine, blob, 2000);
    await first.registry.getManifest(alpine, v1);
    await pull(first, alpine, blob);
    await first.settle();
    const { blobs } = first;
    const { metadata } = first.parts;
    await using cache = new CacheUnderTest({ blobs, metadata, policy: { complete: true } });
    assert.equal((await cache.registry.getManifest(alpine, v1)).descriptor.digest, digest);
    assert.deepEqual(await pull(cache, alpine, blob), Buffer.from(layer));
    await turns(cache);
    assert.deepEqual(cache.upstream.calls, []);
  });
});

describe('an image whose bytes are in the cache and not yet looked into', () => {
  it('is completed once, however large it is, and however many ask for it', async () => {
    await using first = new CacheUnderTest();
    const layers = Array.from({ length: 900 }, (_, at) => first.content.putBlob(alpine, bytes(10, at + 1)));
    const manifest = {
      config: layers[0],
      layers: layers.slice(1, 3),
      annotations: { a: 'x'.repeat(100_000) },
    };
    first.content.putManifest(alpine, v1, Buffer.from(JSON.stringify(manifest)), ociManifest);
    await first.registry.getManifest(alpine, v1);
    await first.settle();
    const { blobs } = first;
    const { metadata } = first.parts;
    await using cache = new CacheUnderTest({
      blobs,
      metadata,
      policy: { complete: true },
      upstream: first.content,
    });
    await Promise.all(Array.from({ length: 5 }, async () => await cache.registry.getManifest(alpine, v1)));
    while (cache.upstream.calls.length < 3) await turns(cache);
    await turns(cache);
    assert.deepEqual(
      cache.upstream.calls.toSorted(),
      layers
        .slice(0, 3)
        .map(({ digest }) => `GET ${alpine} blob ${digest}`)
        .toSorted(),
    );
  });
});
