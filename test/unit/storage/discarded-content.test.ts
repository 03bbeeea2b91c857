import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import type { Descriptor } from '#src/oci/descriptor.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { emptyTrash } from '#src/retention/leaving-sweep.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { Trash } from '#src/storage/file/trash.ts';
import {
  discardContent,
  discardUnknown,
  dropManifest,
  leaseContent,
  linkBlob,
  loseBlob,
  ownBlob,
  putManifest,
  putTag,
  removeTag,
} from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const app = repository('ghcr.io/org/app');
const tool = repository('quay.io/acme/tool');
const described = (text: string): Descriptor => ({
  ...{ mediaType: ociManifest, digest: sha256(Buffer.from(text)), size: text.length },
});

/** Files and an index over one directory, and an image in them that came before `cameBefore`. */
async function stored() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const trash = new Trash(path);
  const index = stack.use(await SqliteMetadataStore.open(path, { discarded: trash }));
  const files = stack.use(await FileBlobStore.open({ directory: path }));
  const put = async (text: string): Promise<Digest> => {
    const { digest } = described(text);
    await files.keep(verifyWhole(digest, Buffer.from(text)), Buffer.from(text));
    return digest;
  };
  const putImage = async (text: string, layer: string): Promise<void> => {
    await put(text);
    await index.change([putManifest(app, { descriptor: described(text), blobs: [described(layer)] })]);
  };
  const layer = await put('layer');
  await putImage('image', 'layer');
  await index.change([linkBlob(app, layer, 5)]);
  // Times of files have the kernel's own steps.
  await sleep(20);
  const cameBefore = Date.now();
  await sleep(20);
  const moved = stack.move();
  return {
    ...{ path, trash, index, files, put, putImage, layer, cameBefore },
    drop: async () => await index.change([dropManifest(app, described('image').digest)]),
    discard: async (before = cameBefore) => await index.change([discardContent(app, [layer], before)]),
    isHere: () => existsSync(join(path, 'blobs', ...layer.split(':'))),
    trashed: async () => (await readdir(join(path, 'trash')).catch(() => [])).length,
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('bytes that are discarded while somebody wants them', () => {
  it('go where nobody does', async () => {
    await using made = await stored();
    await made.discard();
    assert.equal(made.isHere(), true);
    await made.drop();
    await made.discard();
    assert.deepEqual([made.isHere(), await made.trashed()], [false, 1]);
    assert.equal(await made.index.hasBlob(app, made.layer), false);
  });

  it('stay where they were put again and nobody has said so yet', async () => {
    await using made = await stored();
    await made.drop();
    await made.put('layer');
    await made.discard();
    await made.index.change([linkBlob(tool, made.layer, 5)]);
    assert.deepEqual([made.isHere(), await made.index.hasBlob(tool, made.layer)], [true, true]);
  });

  it('stay where another image names them by then, which finds them gone where it comes later', async () => {
    await using made = await stored();
    await made.drop();
    await made.putImage('other image', 'layer');
    await made.discard();
    assert.equal(made.isHere(), true);
    await made.index.change([dropManifest(app, described('other image').digest)]);
    await made.discard();
    assert.equal(made.isHere(), false);
    await made.putImage('third image', 'layer');
    const missing = await made.index.listMissingBlobs(app, described('third image').digest, 10);
    assert.deepEqual(
      missing?.map(({ digest }) => digest),
      [made.layer],
    );
    // Who saw them here before he asked upstream whose they are says no more than that.
    await made.index.change([ownBlob(app, made.layer)]);
    assert.equal(await made.index.hasBlob(app, made.layer), false);
  });

  it('stay with a tag that somebody has pinned since it was looked at', async () => {
    await using made = await stored();
    const v1 = parseTag('v1');
    await made.index.change([putTag(app, { tag: v1, descriptor: described('image'), checkedAt: 1 })]);
    const another = new SqliteDatabase(made.index.path);
    another.exec('update tags set pinned = 1');
    another.close();
    assert.equal((await made.index.graph.node(app, described('image').digest))?.tags[0]?.isPinned, true);
    await made.index.change([removeTag(app, v1, described('image').digest)]);
    await made.drop();
    await made.discard();
    assert.deepEqual([await made.index.listTags(app), made.isHere()], [['v1'], true]);
  });

  it('lie where they were when the change is not made', async () => {
    await using made = await stored();
    await made.drop();
    const tag = putTag(app, { tag: parseTag('v1'), descriptor: described('unknown'), checkedAt: 1 });
    await assert.rejects(made.index.change([discardContent(app, [made.layer], made.cameBefore), tag]));
    assert.deepEqual([made.isHere(), await made.trashed()], [true, 0]);
    assert.equal(await made.index.hasBlob(app, made.layer), true);
  });

  it('go where nothing is known of them, and not what is here, was put just now, is named or leased', async () => {
    await using made = await stored();
    const names = ['unknown', 'lost', 'fresh', 'named', 'leased'] as const;
    for (const name of names) if (name !== 'fresh') await made.put(name);
    await made.index.change([linkBlob(app, described('lost').digest, 4)]);
    await made.index.change([loseBlob(described('lost').digest)]);
    await made.index.change([leaseContent([described('leased').digest], 'import', Date.now() + 60_000)]);
    await made.putImage('another', 'named');
    await sleep(20);
    const before = Date.now();
    await sleep(20);
    await made.put('fresh');
    const isHere = (digest: Digest): boolean => existsSync(join(made.path, 'blobs', ...digest.split(':')));
    const digests = names.map((name) => described(name).digest);
    await made.index.change([discardUnknown([...digests, made.layer], before)]);
    assert.deepEqual([...digests.map(isHere), made.isHere()], [false, false, true, true, true, true]);
    assert.equal(await made.trashed(), 2);
  });

  it('are not lost to who finds them missing while they can be put back, or lie there again', async () => {
    await using made = await stored();
    const lose = async (found: 'missing' | 'wrong'): Promise<boolean> => {
      await made.index.change([loseBlob(made.layer, found)]);
      return !(await made.index.hasBlob(app, made.layer));
    };
    // As a process does it that is killed before it commits.
    assert.equal(new Trash(made.path).take(made.layer, made.cameBefore), 'taken');
    assert.equal(await made.trash.has(made.layer), true);
    assert.equal(await lose('missing'), false);
    assert.deepEqual([made.isHere(), await made.trashed()], [true, 0]);
    assert.equal(await lose('missing'), false);
    assert.equal(await lose('wrong'), true);
    await made.index.change([linkBlob(app, made.layer, 5)]);
    await made.files.delete(made.layer);
    assert.equal(await made.trash.has(made.layer), false);
    assert.equal(await lose('missing'), true);
  });

  it('are put back when whoever discarded them ended before he had said so, and else removed', async () => {
    await using made = await stored();
    // As a process does it that is killed before it commits.
    assert.equal(made.trash.take(made.layer, made.cameBefore), 'taken');
    const clock = new FakeClock();
    const empty = async (): Promise<void> => {
      const parts = { clock, metadata: made.index, discarded: new Trash(made.path) };
      const done = emptyTrash({ ...parts, graph: made.index.graph, graceMs: 0, changed() {} });
      await clock.untilPausing();
      await clock.advance(10_000);
      await done;
    };
    await empty();
    assert.deepEqual([made.isHere(), await made.trashed()], [true, 0]);
    await made.drop();
    // What was put back has come anew.
    await made.discard();
    assert.equal(made.isHere(), true);
    await made.discard(Date.now() + 60_000);
    assert.equal(await made.trashed(), 1);
    await empty();
    assert.deepEqual([made.isHere(), await made.trashed()], [false, 0]);
  });
});
