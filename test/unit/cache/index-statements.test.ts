import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { countedStatements } from '#test/fakes/counted-statements.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');
const tag = parseTag('v1');
/** With the config seven blobs. */
const layers = Array.from({ length: 6 }, (_, seed) => bytes(1000, seed + 1));

/** As a client does: the manifest, then all that it names. */
async function pull(cache: CacheUnderTest): Promise<void> {
  const { bytes: json } = await cache.registry.getManifest(alpine, tag);
  const { config, layers: named } = JSON.parse(Buffer.from(json).toString());
  for (const { digest } of [config, ...named]) {
    await using reader = await cache.registry.getBlob(alpine, digest);
    await collect(reader.body);
  }
}

function isRead(text: string): boolean {
  return text.startsWith('select') || text.startsWith('with');
}

describe('a small image of a manifest and seven blobs', () => {
  it('costs the index a few questions when it is new: not one for what cannot be there', async () => {
    await using directory = await temporaryDirectory();
    await using metadata = await SqliteMetadataStore.open(directory.path);
    await using cache = new CacheUnderTest({ metadata });
    putImage(cache.content, alpine, 'v1', layers);
    using statements = countedStatements();
    await pull(cache);
    const asked = statements.take().filter((text) => !text.includes('insert into'));
    // Those that a change reads are its own: between its first statement and its last there is no question of anybody else.
    const aboutBlobs = asked.filter((text) => /links l on|min\(size\)|select size from contents/.test(text));
    assert.deepEqual(aboutBlobs, []);
    await cache.settle();
    assert.equal(cache.upstream.calls.length, 8);
  });

  it('is asked for by a question or two each when it is here', async () => {
    await using directory = await temporaryDirectory();
    const blobs = new MemoryBlobStore();
    {
      await using metadata = await SqliteMetadataStore.open(directory.path);
      await using cache = new CacheUnderTest({ metadata, blobs });
      putImage(cache.content, alpine, 'v1', layers);
      await pull(cache);
      await cache.settle();
    }
    await using metadata = await SqliteMetadataStore.open(directory.path);
    await using cache = new CacheUnderTest({ metadata, blobs });
    using statements = countedStatements();
    await pull(cache);
    const asked = statements.take();
    assert.deepEqual(
      asked.filter((text) => !isRead(text)),
      [],
    );
    assert.ok(asked.length <= 2 + 2 * 7, `${asked.length}`);
    assert.deepEqual(cache.upstream.calls, []);
    await pull(cache);
    assert.deepEqual(statements.take(), []);
  });
});
