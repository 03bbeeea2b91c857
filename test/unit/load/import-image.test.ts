import assert from 'node:assert/strict';
import { it } from 'node:test';
import { importImage } from '#src/load/archive/import-image.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { builtImage } from '#test/fakes/layouts.ts';

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
