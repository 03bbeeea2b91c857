import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import type { BlobReader } from '#src/oci/registry.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const foreign = repository('evil.example.com/x');
const layer = Buffer.from(bytes(200_000));

/** Puts the layer and a manifest that says so much of its size. */
function put(content: MemoryRegistry, name: RepositoryName, tag: string, claimed = layer.length): Digest {
  const { digest, mediaType } = content.putBlob(name, layer);
  const config = content.putBlob(name, Buffer.from(tag));
  const json = {
    schemaVersion: 2,
    mediaType: ociManifest,
    config,
    layers: [{ mediaType, digest, size: claimed }],
  };
  content.putManifest(name, parseTag(tag), Buffer.from(JSON.stringify(json)), ociManifest);
  return digest;
}

async function open(cache: CacheUnderTest, digest: Digest, name = alpine): Promise<BlobReader> {
  return await cache.registry.getBlob(name, digest, cache.reporting);
}

async function pull(cache: CacheUnderTest, digest: Digest, name = alpine): Promise<Buffer> {
  await using reader = await open(cache, digest, name);
  return await collect(reader.body);
}

async function read(cache: CacheUnderTest, name: RepositoryName, tag: string): Promise<void> {
  await cache.registry.getManifest(name, parseTag(tag));
}

describe('a manifest that gives a stored blob a wrong size', () => {
  for (const liar of [alpine, other, foreign]) {
    it(`does not cost its bytes, nor anybody’s link: ${liar}`, async () => {
      await using cache = new CacheUnderTest();
      const digest = put(cache.content, alpine, 'good');
      put(cache.content, liar, 'bad', layer.length + 1);
      await pull(cache, digest);
      await cache.settle();
      await read(cache, liar, 'bad');
      assert.ok((await pull(cache, digest, liar)).equals(layer));
      await cache.settle();
      assert.equal((await cache.parts.content.stat(digest))?.size, layer.length);
      cache.upstream.script = () => {
        throw new RegistryError('UNAVAILABLE', 'down');
      };
      for (const name of [alpine, liar]) {
        await using reader = await open(cache, digest, name);
        assert.equal(reader.size, layer.length);
        assert.ok((await collect(reader.body)).equals(layer));
        assert.equal((await cache.registry.resolveBlob(name, digest)).size, layer.length);
      }
    });
  }
});

describe('a manifest that gives a blob on its way a wrong size', () => {
  it('does not outweigh what upstream announces: the digest decides', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache.content, alpine, 'bad', layer.length - 1);
    await read(cache, alpine, 'bad');
    await using reader = await open(cache, digest);
    assert.equal(reader.size, layer.length);
    assert.ok((await collect(reader.body)).equals(layer));
    await cache.settle();
    assert.equal(await cache.parts.metadata.blobSize(digest), layer.length);
  });

  for (const [what, claimed] of [
    ['more', layer.length + 70_000],
    ['less', layer.length - 70_000],
  ] as const) {
    it(`(${what}), and upstream none, fails for its own repository alone, and never ends falsely`, async () => {
      await using cache = new CacheUnderTest();
      const digest = put(cache.content, alpine, 'bad', claimed);
      cache.content.putBlob(other, layer);
      cache.upstream.size = () => undefined;
      const begun = gate();
      cache.upstream.body = async function* (chunks) {
        await begun.wait();
        yield* chunks;
      };
      await read(cache, alpine, 'bad');
      await using bad = await open(cache, digest);
      assert.equal(bad.size, claimed);
      await using good = await open(cache, digest, other);
      assert.equal(good.size, undefined);
      const reading = Promise.allSettled([collect(bad.body), collect(good.body)]);
      begun.open();
      const [badly, well] = await reading;
      assert.equal(badly.status, 'rejected');
      assert.ok(well.status === 'fulfilled' && well.value.equals(layer));
      await cache.settle();
      assert.equal(cache.upstream.calls.filter((call) => call.includes(`GET ${alpine} blob`)).length, 1);
      assert.ok((await pull(cache, digest)).equals(layer), 'the right bytes are right for it too by now');
      assert.deepEqual(cache.outcome, { kind: 'hit' });
    });
  }

  it('is outweighed by one that gives another, and neither counts', async () => {
    for (const isForgotten of [false, true]) {
      const [blobs, metadata] = [new MemoryBlobStore(), SqliteMetadataStore.inMemory()];
      await using before = new CacheUnderTest({ blobs, metadata });
      const { content } = before;
      const digest = put(content, alpine, 'bad', layer.length - 70_000);
      put(content, alpine, 'good');
      await read(before, alpine, 'bad');
      if (!isForgotten) await read(before, alpine, 'good');
      await before.settle();
      await using cache = new CacheUnderTest({ blobs, metadata, upstream: content });
      if (isForgotten) await read(cache, alpine, 'good');
      cache.upstream.size = () => undefined;
      await using reader = await open(cache, digest);
      assert.equal(reader.size, undefined);
      assert.ok((await collect(reader.body)).equals(layer));
    }
  });
});

describe('a blob whose size was verified', () => {
  it('and whose file is gone is not fetched from an upstream that announces another', async () => {
    await using cache = new CacheUnderTest();
    const digest = put(cache.content, alpine, 'good');
    await pull(cache, digest);
    await cache.settle();
    await cache.parts.content.delete(digest);
    cache.upstream.size = () => layer.length + 1;
    await assert.rejects(pull(cache, digest), { status: 502 });
    cache.upstream.size = (size) => size;
    assert.ok((await pull(cache, digest)).equals(layer));
  });

  it('before sizes were recorded is served as it is, whatever a manifest says', async () => {
    const [blobs, metadata] = [new MemoryBlobStore(), SqliteMetadataStore.inMemory()];
    await using before = new CacheUnderTest({ blobs, metadata });
    const digest = put(before.content, alpine, 'bad', layer.length + 1);
    await pull(before, digest);
    await before.settle();
    metadata.blobSize = async () => undefined;
    await using cache = new CacheUnderTest({ blobs, metadata, upstream: before.content });
    await read(cache, alpine, 'bad');
    assert.ok((await pull(cache, digest)).equals(layer));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.equal((await blobs.stat(digest))?.size, layer.length);
  });
});

/** A mirror and the registry itself, and a manifest that gives the layer one byte too many. */
function mirrored() {
  const content = new MemoryRegistry();
  const [mirror, itself] = [new ScriptedRegistry(content), new ScriptedRegistry(content)];
  const digest = put(content, alpine, 'bad', layer.length + 1);
  const cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
  const blobCalls = ({ calls }: ScriptedRegistry) => calls.filter((call) => call.includes(digest)).length;
  /** Pulls, and lets the pauses between tries pass. */
  const pullThrough = async (): Promise<Buffer> => {
    const others = cache.clock.pausing;
    const pulling = pull(cache, digest);
    pulling.catch(() => {});
    do {
      await cache.settle();
      if (cache.clock.pausing > others) await cache.clock.advance(5000);
    } while (cache.parts.fills.running > 0);
    return await pulling;
  };
  return { cache, mirror, itself, blobCalls, pullThrough };
}

describe('a mirror that contradicts a wrong manifest', () => {
  it('is left for the registry, which says the same and is believed', async () => {
    const { cache, mirror, itself, blobCalls, pullThrough } = mirrored();
    await using _ = cache;
    await read(cache, alpine, 'bad');
    assert.ok((await pullThrough()).equals(layer));
    assert.deepEqual([blobCalls(mirror), blobCalls(itself)], [1, 1]);
  });

  it('is come back to when the registry does not answer', async () => {
    const { cache, mirror, itself, blobCalls, pullThrough } = mirrored();
    await using _ = cache;
    await read(cache, alpine, 'bad');
    itself.script = () => {
      throw new RegistryError('UNAVAILABLE', 'down');
    };
    assert.ok((await pullThrough()).equals(layer));
    assert.deepEqual([blobCalls(mirror), blobCalls(itself)], [2, 1]);
  });
});
