import assert from 'node:assert/strict';
import { it } from 'node:test';
import { systemClock } from '#src/base/clock.ts';
import { importImage } from '#src/load/archive/import-image.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { discardContent, linkBlob } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';

const app = repository('ghcr.io/org/app');
const other = repository('ghcr.io/org/other');

it('what an archive has and the store had already is not discarded while the image is made known', async () => {
  const taken: Digest[] = [];
  const store = new MemoryBlobStore();
  await using index = SqliteMetadataStore.inMemory({
    discarded: {
      take: (digest) => {
        taken.push(digest);
        return 'taken';
      },
      restore() {},
    },
  });
  const put = async (text: string) => {
    const digest = sha256(Buffer.from(text));
    await store.keep(verifyWhole(digest, Buffer.from(text)), Buffer.from(text));
    await index.change([linkBlob(other, digest, text.length)]);
    return { mediaType: 'application/octet-stream', digest, size: text.length };
  };
  const [config, layer] = [await put('{}'), await put('layer')];
  const root = await put(
    JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }),
  );
  // Whoever prunes does so when it was seen that they are here.
  const digests = [config, layer, root].map(({ digest }) => digest);
  const stat = store.stat.bind(store);
  store.stat = async (digest) => {
    const seen = await stat(digest);
    await index.change([discardContent(other, digests, Date.now() + 60_000)]);
    return seen;
  };
  const image = { root: root.digest, mediaType: ociManifest, made: undefined } as never;
  const parts = { content: store, spools: store, metadata: index, clock: systemClock, changed() {} };
  const source = { bring: async (digest: Digest) => await stat(digest) };
  await importImage(image, { repository: app, reference: parseTag('v1') }, [], source, parts);
  assert.deepEqual(taken, []);
  for (const { digest } of [config, layer]) assert.equal(await index.hasBlob(app, digest), true);
});
