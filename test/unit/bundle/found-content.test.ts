import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FoundContent, type FoundContentParts } from '#src/bundle/found-content.ts';
import { ArchiveBlobs } from '#src/load/archive/archive-blobs.ts';
import { Tally } from '#src/load/tally.ts';
import { sha256 } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const layer = Buffer.from('a layer that many images share');
const digest = sha256(layer);

/** Two images that share a layer of a directory. */
async function twoImages() {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'layer');
  const content = new MemoryBlobStore();
  const metadata = SqliteMetadataStore.inMemory();
  const signal = new AbortController().signal;
  const tally = new Tally();
  const blobs = new ArchiveBlobs(
    { content, spools: content, metadata, clock: new FakeClock() },
    tally,
    signal,
  );
  const parts: FoundContentParts = {
    ...{ content, blobs, tally, signal, isLinked: false },
    hashed: new Map(),
  };
  const looks: Digest[] = [];
  const find = async (wanted: Digest) => {
    looks.push(wanted);
    return { path };
  };
  return {
    ...{ path, content, looks, tally },
    images: [new FoundContent(find, parts), new FoundContent(find, parts)] as const,
    async [Symbol.asyncDispose]() {
      blobs[Symbol.dispose]();
      await metadata[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('what many images of a directory share', () => {
  it('is hashed once', async () => {
    await using made = await twoImages();
    await writeFile(made.path, layer);
    for (const image of made.images) assert.equal((await image.bring(digest))?.size, layer.length);
    assert.equal(made.tally.fetched, layer.length);
  });

  it('is hashed once too where it is wrong, and looked for by each', async () => {
    await using made = await twoImages();
    await writeFile(made.path, 'torn');
    const [one, two] = made.images;
    await assert.rejects(one.bring(digest), /wrong bytes/);
    // Whoever hashed it again would find it right.
    await writeFile(made.path, layer);
    await assert.rejects(two.bring(digest), /wrong bytes/);
    assert.deepEqual(made.looks, [digest, digest]);
  });

  it('is brought again where it has gone meanwhile', async () => {
    await using made = await twoImages();
    await writeFile(made.path, layer);
    const [one, two] = made.images;
    await one.bring(digest);
    await made.content.delete(digest);
    await two.bring(digest);
    assert.equal((await made.content.stat(digest))?.size, layer.length);
  });
});
