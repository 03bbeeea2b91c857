import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { recordOf } from '#src/cache/memory/stored-manifests.ts';
import { jsonReader } from '#src/json/json-reader.ts';
import { importImage } from '#src/load/archive/import-image.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { putManifest, putTag } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type Built, builtImage, builtIndex, described } from '#test/fakes/layouts.ts';

const app = repository('quay.io/team/app');
const { manifest, mediaType, contents } = builtImage(1, { size: 1000 });

it('an image is not made known of which something has gone since it came', async () => {
  const store = new MemoryBlobStore();
  await using index = SqliteMetadataStore.inMemory();
  for (const content of contents) await store.keep(verifyWhole(sha256(content), content), content);
  const brought = new Map(contents.map((content) => [sha256(content), { size: content.length }]));
  const [layer] = brought.keys();
  await store.delete(layer ?? assert.fail());
  const parts = { content: store, spools: store, metadata: index, clock: new FakeClock(), changed() {} };
  const name = { repository: app, reference: parseTag('v1') };
  const source = { bring: async (digest: Digest) => brought.get(digest) };
  const importing = importImage({ name: 'x', root: sha256(manifest), mediaType }, name, [], source, parts);
  await assert.rejects(importing, {
    message: `its blob ${layer} was removed while it was loaded: load it again`,
  });
  assert.equal(await index.getManifest(app, sha256(manifest)), undefined);
  assert.equal(await index.hasBlob(app, layer ?? assert.fail()), false);
});

describe('an index of which the cache has one manifest, and not yet what that names,', () => {
  const [other, old] = [builtImage(2, { size: 1000 }), builtImage(3, { size: 1000 })];
  const both = builtIndex({ amd64: { mediaType, manifest, contents }, arm64: other });
  const tag = parseTag('v1');

  /** Imports what is brought. Returns what came of it, and where the tag leads then. */
  async function imported(brought: readonly Buffer[]) {
    const store = new MemoryBlobStore();
    await using index = SqliteMetadataStore.inMemory();
    for (const content of [...contents, ...both.contents, old.manifest])
      if (content !== other.contents[0]) await store.keep(verifyWhole(sha256(content), content), content);
    const known = async ({ manifest: bytes, mediaType: type }: Built) => {
      const { head } = await jsonReader.read('quay.io' as never, 'manifest', bytes, type);
      return putManifest(app, recordOf({ descriptor: described(type, bytes), bytes }, head));
    };
    const leads = putTag(app, { tag, descriptor: described(old.mediaType, old.manifest), checkedAt: 1 });
    await index.change([await known(old), leads, await known(other)]);
    const parts = { content: store, spools: store, metadata: index, clock: new FakeClock(), changed() {} };
    const sizes = new Map(brought.map((content) => [sha256(content), { size: content.length }]));
    const root = { name: 'x', root: sha256(both.manifest), mediaType: both.mediaType };
    const source = { bring: async (digest: Digest) => sizes.get(digest) };
    const { lost, absent } = await importImage(root, { repository: app, reference: tag }, [], source, parts);
    const isThere = (await index.getManifest(app, sha256(other.manifest))) !== undefined;
    const led = (await index.getTag(app, tag))?.descriptor.digest;
    return { lost: [...lost.keys()], absent, isThere, led };
  }

  it('is imported without it, as where the cache has nothing of it', async () => {
    assert.deepEqual(await imported([...contents, both.manifest]), {
      ...{ lost: [], absent: [sha256(other.manifest)], isThere: true },
      led: sha256(both.manifest),
    });
  });

  it('is told to lack a part, where that manifest is brought', async () => {
    assert.deepEqual(await imported([...contents, both.manifest, other.manifest]), {
      ...{ lost: [sha256(other.manifest)], absent: [], isThere: true },
      led: sha256(old.manifest),
    });
  });
});
