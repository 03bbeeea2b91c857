import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { importImage } from '#src/load/archive/import-image.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { rebuildImage } from '#src/rebuild/rebuild-image.ts';
import { ContentLease } from '#src/storage/content-lease.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { discardContent, disownBlob, linkBlob, loseBlob, type Operation } from '#src/storage/operation.ts';
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
      restore: () => false,
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

it('an image of which a blob was removed meanwhile is not said to be imported', async () => {
  for (const remove of ['its row', 'its file'] as const) {
    await using held = await holding(systemClock);
    const { content, index, root, blobs, parts } = held;
    const [first, last] = blobs as [Digest, Digest];
    const image = { root: root.digest, mediaType: ociManifest, made: undefined } as never;
    const change = index.change.bind(index);
    index.change = async (operations) => {
      await change(operations);
      const isNamed = operations.some(({ kind }) => kind === 'put manifest');
      if (remove === 'its row' && isNamed) await change([loseBlob(first)]);
    };
    const source = {
      bring: async (digest: Digest) => {
        const brought = await content.stat(digest);
        if (remove === 'its file' && digest === last) await content.delete(last);
        return brought;
      },
    };
    const importing = importImage(image, { repository: app, reference: parseTag('v1') }, [], source, parts);
    await assert.rejects(importing, /was removed while it was loaded: load it again/);
  }
});

it('is held for nobody when the image is known, or cannot be', async () => {
  const clock = new FakeClock();
  await using held = await holding(clock);
  const { content, index, root, blobs, parts } = held;
  const isHeld = async (digest: Digest): Promise<boolean> =>
    await index.graph.isHeld(digest, clock.now() + 60_000);
  const image = { root: root.digest, mediaType: ociManifest, made: undefined } as never;
  const seen: boolean[] = [];
  for (const lacks of [undefined, blobs[1]]) {
    const source = {
      bring: async (digest: Digest) => {
        seen.push(await isHeld(digest));
        return digest === lacks ? undefined : await content.stat(digest);
      },
    };
    const name = { repository: lacks === undefined ? app : other, reference: parseTag('v1') };
    if (lacks !== undefined) await index.change([disownBlob(other, lacks)]);
    const importing = importImage(image, name, [], source, parts);
    if (lacks === undefined) await importing;
    else await assert.rejects(importing, /it lacks the blob/);
    for (const digest of [root.digest, ...blobs]) assert.equal(await isHeld(digest), false);
  }
  assert.ok(seen.includes(true));
  assert.equal(clock.sleeping, 0);
});

it('is held for one import when another of the same is over', async () => {
  const clock = new FakeClock();
  await using held = await holding(clock);
  const { index, blobs, parts } = held;
  const [first, second] = [
    await ContentLease.take(blobs, 'import', parts),
    await ContentLease.take(blobs, 'import', parts),
  ];
  // With what each of them says when five minutes are over.
  await clock.advance(300_000);
  for (const [lease, isHeld] of [
    [first, true],
    [second, false],
  ] as const) {
    await lease[Symbol.asyncDispose]();
    for (const digest of blobs) assert.equal(await index.graph.isHeld(digest, clock.now()), isHeld);
  }
});

it('is not leased again by what was still to be said when its import was over', async () => {
  const clock = new FakeClock();
  const said: string[] = [];
  const slow = Promise.withResolvers<void>();
  const metadata = {
    async change(operations: readonly Operation[]) {
      // The second time that it is said takes long.
      if (said.length === 2) await slow.promise;
      said.push(...operations.map(({ kind }) => kind));
    },
  } as unknown as MetadataStore;
  const digests = Array.from({ length: 150 }, (_, at) => sha256(Buffer.from(String(at))));
  const lease = await ContentLease.take(digests, 'import', { metadata, clock });
  await clock.advance(300_000);
  const over = lease[Symbol.asyncDispose]();
  slow.resolve();
  await over;
  const [leased, ended] = ['lease content', 'end lease'];
  assert.deepEqual(said, [leased, leased, leased, leased, ended, ended]);
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
