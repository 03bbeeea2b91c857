import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { importImage } from '#src/load/archive/import-image.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { rebuildImage } from '#src/rebuild/rebuild-image.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { discardContent, linkBlob } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const app = repository('ghcr.io/org/app');
const other = repository('ghcr.io/org/other');

/** A store that has an image's bytes of another repository, which nobody names, and an index that tells what was taken from it. */
async function holding(clock: Clock) {
  const taken: Digest[] = [];
  const content = new MemoryBlobStore();
  const index = SqliteMetadataStore.inMemory({
    clock,
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
    await content.keep(verifyWhole(digest, Buffer.from(text)), Buffer.from(text));
    await index.change([linkBlob(other, digest, text.length)]);
    return { mediaType: 'application/octet-stream', digest, size: text.length };
  };
  const [config, layer] = [await put('{}'), await put('layer')];
  const root = await put(
    JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] }),
  );
  const digests = [config, layer, root].map(({ digest }) => digest);
  return {
    ...{ content, index, taken, root },
    blobs: [config.digest, layer.digest],
    prune: async () => await index.change([discardContent(other, digests, clock.now() + 60_000)]),
    parts: { content, spools: content, metadata: index, clock, changed() {} },
    [Symbol.asyncDispose]: async () => await index[Symbol.asyncDispose](),
  };
}

it('what an archive has and the store had already is not discarded while the image is made known', async () => {
  await using held = await holding(systemClock);
  const { content, index, taken, root, blobs, parts } = held;
  // Whoever prunes does so when it was seen that they are here.
  const stat = content.stat.bind(content);
  content.stat = async (digest) => {
    const seen = await stat(digest);
    await held.prune();
    return seen;
  };
  const image = { root: root.digest, mediaType: ociManifest, made: undefined } as never;
  const source = { bring: async (digest: Digest) => await stat(digest) };
  await importImage(image, { repository: app, reference: parseTag('v1') }, [], source, parts);
  assert.deepEqual(taken, []);
  for (const digest of blobs) assert.equal(await index.hasBlob(app, digest), true);
});

it('nor is it when the rest takes an hour to come', async () => {
  const clock = new FakeClock();
  await using held = await holding(clock);
  const { content, index, taken, root, blobs, parts } = held;
  const image = { root: root.digest, mediaType: ociManifest, made: undefined } as never;
  const source = {
    bring: async (digest: Digest) => {
      if (digest === blobs[1])
        for (let minute = 0; minute < 60; minute += 1) {
          await clock.advance(60_000);
          await held.prune();
        }
      return await content.stat(digest);
    },
  };
  await importImage(image, { repository: app, reference: parseTag('v1') }, [], source, parts);
  assert.deepEqual(taken, []);
  for (const digest of blobs) assert.equal(await index.hasBlob(app, digest), true);
  assert.equal(clock.sleeping, 0);
});

it('nor while the index is made anew by what lies in the store', async () => {
  await using held = await holding(systemClock);
  const { content, index, taken, root, blobs, parts } = held;
  const stat = content.stat.bind(content);
  content.stat = async (digest) => {
    const seen = await stat(digest);
    await held.prune();
    return seen;
  };
  const listed = {
    ...{ repository: app, tag: parseTag('v1'), digest: root.digest, mediaType: ociManifest },
    ...{ isPinned: false, origin: 'upstream' as const },
  };
  assert.equal(await rebuildImage(listed, parts), true);
  assert.deepEqual(taken, []);
  for (const digest of blobs) assert.equal(await index.hasBlob(app, digest), true);
});
