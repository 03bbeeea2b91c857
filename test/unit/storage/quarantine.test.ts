import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hexOf, sha256, verifyWhole } from '#src/oci/digest.ts';
import type { StoredBlob } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { bytes } from '#test/fakes/images.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const content = bytes(1000);
const digest = sha256(content);
const path = `/v1/blobs/sha256/${hexOf(digest)}`;

async function opened() {
  const files = new ScriptedFiles();
  const store = await FileBlobStore.open({ directory: '/v1', files });
  const quarantined = (): string[] => files.paths.filter((each) => each.startsWith('/v1/quarantine/'));
  return { files, store, quarantined };
}

/** A blob in whose place lie other bytes by now, as somebody has found it. */
async function wrong(store: FileBlobStore, files: ScriptedFiles, seed = 1, size = 1000): Promise<StoredBlob> {
  const stored = bytes(size, seed);
  const its = sha256(stored);
  await store.keep(verifyWhole(its, stored), stored);
  files.spoil(`/v1/blobs/sha256/${hexOf(its)}`, (old) => Buffer.from(old.map((byte) => byte ^ 1)));
  const found = await store.stat(its);
  assert.ok(found);
  return found;
}

describe('what is put aside', () => {
  it('is kept, the last sixteen of it', async () => {
    const { files, store, quarantined } = await opened();
    const kept: (string | undefined)[] = [];
    for (let seed = 1; seed <= 20; seed += 1)
      kept.push(await store.setAside(await wrong(store, files, seed)));
    assert.deepEqual(quarantined(), kept.slice(-16).toSorted());
  });

  it('is never more than sixteen files, however many come at once', async () => {
    const { files, store, quarantined } = await opened();
    const found: StoredBlob[] = [];
    for (let seed = 1; seed <= 30; seed += 1) found.push(await wrong(store, files, seed));
    await Promise.all(found.map(async (each) => await store.setAside(each)));
    assert.equal(quarantined().length, 16);
    for (const each of found) assert.equal(await store.stat(each.digest), undefined);
  });

  it('is what was found and nothing else: not the right file that has taken its place', async () => {
    const { files, store, quarantined } = await opened();
    const found = await wrong(store, files);
    await store.keep(verifyWhole(digest, content), content);
    assert.equal(await store.setAside(found), undefined);
    assert.deepEqual(quarantined(), []);
    assert.equal((await store.stat(digest))?.size, 1000);
  });

  it('is no more than a gigabyte: what came first makes room, and what is larger is not kept', async () => {
    const { files, store, quarantined } = await opened();
    const gigabyte = 1024 ** 3;
    const first = await store.setAside(await wrong(store, files, 1));
    assert.deepEqual(quarantined(), [first]);
    const second = await store.setAside({ ...(await wrong(store, files, 2)), size: gigabyte });
    assert.deepEqual(quarantined(), [second]);
    const large = await wrong(store, files, 3);
    assert.equal(await store.setAside({ ...large, size: gigabyte + 1 }), undefined);
    assert.deepEqual([quarantined(), await store.stat(large.digest)], [[second], undefined]);
    assert.deepEqual(
      files.paths.filter((each) => /^\/v1\/partial\/sha256-/.test(each)),
      [],
    );
  });

  it('goes back where the right file has taken its place in the last moment', async () => {
    const { files, store, quarantined } = await opened();
    const found = await wrong(store, files);
    files.script = async (call) => {
      if (call !== `rename ${path}`) return;
      files.script = () => undefined;
      await store.keep(verifyWhole(digest, content), content);
    };
    assert.equal(await store.setAside(found), undefined);
    assert.deepEqual(quarantined(), []);
    await using blob = await store.open(digest);
    assert.ok(blob);
    for await (const chunk of blob.read()) assert.ok(Buffer.from(content).equals(chunk));
  });

  it('is removed where it cannot be kept, and stays where it cannot be moved', async () => {
    const { files, store, quarantined } = await opened();
    const { mkdir } = files;
    files.mkdir = async (directory) => {
      if (directory.endsWith('quarantine')) throw failure('ENOSPC');
      await mkdir.call(files, directory);
    };
    assert.equal(await store.setAside(await wrong(store, files)), undefined);
    assert.deepEqual([await store.stat(digest), quarantined()], [undefined, []]);
    const found = await wrong(store, files);
    files.script = (call) => {
      if (call.startsWith('rename')) throw failure('EROFS');
    };
    assert.equal(await store.setAside(found), undefined);
    assert.deepEqual(await store.stat(digest), found);
  });

  it('leaves alone what others have laid there', async () => {
    const { files, store } = await opened();
    await files.open('/v1/quarantine/notes.txt', 'wx+');
    for (let seed = 1; seed <= 18; seed += 1) await store.setAside(await wrong(store, files, seed));
    assert.ok(files.paths.includes('/v1/quarantine/notes.txt'));
  });
});
