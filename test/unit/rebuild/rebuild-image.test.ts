import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import type { ListedName } from '#src/rebuild/listed-names.ts';
import { rebuildImage } from '#src/rebuild/rebuild-image.ts';
import { ImageRemoval } from '#src/retention/image-removal.ts';
import { RemovingHands } from '#src/retention/removing-hands.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { pinTag, putManifest, putTag } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';

const app = repository('ghcr.io/org/app');
const v1 = parseTag('v1');

interface Stored {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
}

/** A store with the files of an index of two platforms, and an index that knows nothing of them. */
async function holding() {
  const content = new MemoryBlobStore();
  const metadata = SqliteMetadataStore.inMemory();
  const put = async (text: string, mediaType: string): Promise<Stored> => {
    const digest = sha256(Buffer.from(text));
    await content.keep(verifyWhole(digest, Buffer.from(text)), Buffer.from(text));
    return { mediaType, digest, size: text.length };
  };
  const platform = async (name: string): Promise<Stored> => {
    const [config, layer] = [await put(`{"${name}":1}`, 'a/b'), await put(`layer of ${name}`, 'a/b')];
    const manifest = { schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] };
    return await put(JSON.stringify(manifest), ociManifest);
  };
  const platforms = [await platform('amd64'), await platform('arm64')];
  const root = await put(
    JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: platforms }),
    ociIndex,
  );
  const parts = { content, metadata, changed() {} };
  const listed: ListedName = {
    ...{ repository: app, tag: v1, digest: root.digest, mediaType: ociIndex },
    ...{ isPinned: false, origin: 'upstream' },
  };
  const clock = new FakeClock();
  // Nothing came just now.
  clock.set(Date.now() + 86_400_000);
  const hands = new RemovingHands({
    ...{ graph: metadata.graph, metadata, clock, graceMs: 0, changed() {} },
  });
  const prune = async (tags = [v1]): Promise<unknown> =>
    await new ImageRemoval(metadata.graph, hands).remove(app, root.digest, tags);
  const known = async (): Promise<readonly Digest[]> =>
    (await metadata.inventory.images({ limit: 10 })).map(({ descriptor }) => descriptor.digest);
  return {
    ...{ content, metadata, root, platforms, parts, listed, prune, known },
    [Symbol.asyncDispose]: async () => await metadata[Symbol.asyncDispose](),
  };
}

describe('an image that is made known again', () => {
  it('has its platforms, their blobs and its tag', async () => {
    await using it = await holding();
    assert.equal(await rebuildImage(it.listed, it.parts), true);
    assert.deepEqual(
      new Set(await it.known()),
      new Set([it.root, ...it.platforms].map(({ digest }) => digest)),
    );
    assert.equal((await it.metadata.getTag(app, v1))?.descriptor.digest, it.root.digest);
    assert.deepEqual(await it.metadata.listWantedBlobs({ limit: 10 }), []);
    const { blobs } = await it.metadata.inventory.totals();
    assert.equal(blobs, 4);
  });

  it('is not what was pruned since the list was written, by tag or by digest', async () => {
    await using it = await holding();
    await rebuildImage(it.listed, it.parts);
    await it.prune();
    assert.deepEqual(await it.known(), []);
    const { tag: _, ...bare } = it.listed;
    for (const listed of [it.listed, { ...bare, tag: undefined }]) {
      assert.equal(await rebuildImage(listed, it.parts), false);
      assert.deepEqual(await it.known(), []);
    }
    assert.equal(await it.metadata.getTag(app, v1), undefined);
    assert.equal((await it.metadata.inventory.totals()).blobs, 0);
  });

  it('does not get a tag back that was removed from it while another stayed', async () => {
    await using it = await holding();
    const latest = { ...it.listed, tag: parseTag('latest') };
    for (const listed of [it.listed, latest]) await rebuildImage(listed, it.parts);
    await it.prune();
    assert.equal(await rebuildImage(it.listed, it.parts), true);
    assert.deepEqual(await it.metadata.listTags(app), ['latest']);
  });

  /** Whenever something is awaited the image may be pruned, and what was not known yet must not come behind it. */
  for (let step = 1; step <= 6; step += 1) {
    it(`leaves nothing of one that is pruned meanwhile: at step ${step}`, async () => {
      await using it = await holding();
      const { getManifest } = it.metadata;
      let steps = 0;
      it.metadata.getManifest = async (...asked) => {
        const found = await getManifest.apply(it.metadata, asked);
        steps += 1;
        if (steps === step) await it.prune();
        return found;
      };
      const isKnown = await rebuildImage(it.listed, it.parts);
      it.metadata.getManifest = getManifest;
      assert.ok(steps >= step);
      assert.equal(isKnown, false);
      assert.deepEqual(await it.known(), []);
      assert.equal(await it.metadata.getTag(app, v1), undefined);
      const leaving = await it.metadata.graph.leaving({ limit: 20 });
      const stored = await Promise.all(
        (await Array.fromAsync(it.content.list())).map(async ({ digest }) => ({
          digest,
          isHere: (await it.metadata.graph.content(digest))?.storedAt !== undefined,
        })),
      );
      // What was linked behind the removal is on the list of what is leaving.
      for (const { digest, isHere } of stored)
        assert.ok(!isHere || leaving.some((each) => each.digest === digest), digest);
    });
  }

  it('is put back where it is pulled again after it was removed', async () => {
    await using it = await holding();
    await rebuildImage(it.listed, it.parts);
    await it.prune();
    const descriptor = { mediaType: ociIndex, digest: it.root.digest, size: it.root.size };
    await it.metadata.change([
      putManifest(app, { descriptor, blobs: [], manifests: it.platforms }),
      putTag(app, { tag: v1, descriptor, checkedAt: 5 }),
    ]);
    assert.equal(await rebuildImage(it.listed, it.parts), true);
    assert.equal((await it.metadata.getTag(app, v1))?.checkedAt, 5);
  });

  it('gets its pin, and the tag of somebody who was quicker stays where it points', async () => {
    await using it = await holding();
    const [amd64] = it.platforms;
    assert.ok(amd64);
    await rebuildImage({ ...it.listed, tag: undefined }, it.parts);
    await it.metadata.change([putTag(app, { tag: v1, descriptor: amd64, checkedAt: 0 })]);
    assert.equal(await rebuildImage({ ...it.listed, isPinned: true }, it.parts), true);
    assert.equal((await it.metadata.getTag(app, v1))?.descriptor.digest, amd64.digest);
    const node = await it.metadata.graph.node(app, amd64.digest);
    assert.deepEqual(node?.tags, [{ tag: 'v1', isPinned: true, goneAt: undefined }]);
    await it.metadata.change([pinTag(app, v1, false)]);
    await rebuildImage(it.listed, it.parts);
    assert.equal((await it.metadata.graph.node(app, amd64.digest))?.tags[0]?.isPinned, false);
  });

  it('is all but what is wrong, which it says', async () => {
    await using it = await holding();
    const [amd64, arm64] = it.platforms;
    assert.ok(amd64 && arm64);
    await it.content.delete(amd64.digest);
    assert.equal(await rebuildImage(it.listed, it.parts), true);
    assert.deepEqual(new Set(await it.known()), new Set([it.root.digest, arm64.digest]));
    await it.content.delete(it.root.digest);
    await assert.rejects(rebuildImage(it.listed, it.parts), { name: 'NotRebuilt', why: 'lost' });
  });

  it('has its bytes, though they are discarded while they are read', async () => {
    await using it = await holding();
    const { change } = it.metadata;
    it.metadata.change = async (...asked) => {
      it.metadata.change = change;
      await it.content.delete(it.root.digest);
      await it.metadata.change(...asked);
    };
    assert.equal(await rebuildImage(it.listed, it.parts), true);
    assert.equal((await it.content.stat(it.root.digest))?.size, it.root.size);
  });
});
