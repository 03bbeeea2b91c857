import assert from 'node:assert/strict';
import { link, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DigestHasher, sha256, type VerifiedBlob } from '#src/oci/digest.ts';
import { BlobUnreadableError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { type FileSystem, nodeFileSystem } from '#src/storage/file/file-system.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const content = Buffer.from(bytes(100_000));
const digest = sha256(content);

/** A store with a file of this content beside it. */
async function around(files: FileSystem = nodeFileSystem) {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'theirs');
  await writeFile(path, content);
  const store = await FileBlobStore.open({ directory: join(directory.path, 'v1'), files });
  return {
    store,
    path,
    partial: async () => await readdir(join(directory.path, 'v1/partial')),
    blob: join(directory.path, 'v1/blobs/sha256', digest.slice(7)),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function hashed(body: AsyncIterable<Uint8Array>): Promise<VerifiedBlob> {
  const hasher = new DigestHasher(digest);
  for await (const chunk of body) hasher.update(chunk);
  return hasher.verify();
}

describe('a file that the store adopts', () => {
  it('is a blob by a second name, again and again', async () => {
    await using it = await around();
    for (let round = 0; round < 2; round += 1) {
      // By which it is known again, and not hashed when it is first read.
      const adopted = await it.store.adopt(it.path, hashed);
      assert.ok(adopted?.stamp);
      assert.deepEqual(adopted, await it.store.stat(digest));
    }
    assert.equal((await stat(it.path)).ino, (await stat(it.blob)).ino);
    await using blob = await it.store.open(digest);
    assert.deepEqual(await collect(blob?.read() ?? assert.fail()), content);
    assert.deepEqual(await it.partial(), []);
  });

  it('is none when its bytes are wrong', async () => {
    await using it = await around();
    await writeFile(it.path, bytes(100_000, 2));
    await assert.rejects(it.store.adopt(it.path, hashed), /wrong bytes/);
    assert.equal(await it.store.stat(digest), undefined);
    assert.deepEqual(await it.partial(), []);
    assert.equal((await readFile(it.path)).length, 100_000);
  });

  it('is none when somebody writes to it while it is hashed', async () => {
    await using it = await around();
    const meanwhile = async (body: AsyncIterable<Uint8Array>) => {
      const blob = await hashed(body);
      await writeFile(it.path, bytes(50_000, 3));
      return blob;
    };
    await assert.rejects(it.store.adopt(it.path, meanwhile), BlobUnreadableError);
    assert.equal(await it.store.stat(digest), undefined);
    assert.deepEqual(await it.partial(), []);
  });

  it('is hashed when it is first read, where somebody writes to it once it was hashed', async () => {
    await using it = await around({
      ...nodeFileSystem,
      rename: async (from, to) => {
        await nodeFileSystem.rename(from, to);
        // What the kernel's clock cannot tell apart it need not.
        await sleep(20);
        await writeFile(to, bytes(100_000, 3));
      },
    });
    const adopted = await it.store.adopt(it.path, hashed);
    assert.deepEqual([adopted?.digest, adopted?.stamp], [digest, undefined]);
  });

  it('is no link, and no folder', async () => {
    await using it = await around();
    const other = `${it.path}-linked`;
    await symlink(it.path, other);
    await assert.rejects(it.store.adopt(other, hashed), BlobUnreadableError);
    assert.deepEqual(await it.partial(), []);
    assert.equal((await stat(it.path)).nlink, 1);
  });

  it('has to be copied where it cannot have a second name', async () => {
    for (const code of ['EXDEV', 'EPERM', 'EMLINK']) {
      const refuse = async () => {
        throw Object.assign(new Error(code), { code });
      };
      await using it = await around({ ...nodeFileSystem, link: refuse });
      assert.equal(await it.store.adopt(it.path, hashed), undefined);
    }
    const { link: _, ...without } = nodeFileSystem;
    await using it = await around(without);
    assert.equal(await it.store.adopt(it.path, hashed), undefined);
  });

  it('that is gone is an error of its own', async () => {
    await using it = await around();
    await link(it.path, `${it.path}-kept`);
    await rm(it.path);
    await assert.rejects(it.store.adopt(it.path, hashed), { code: 'ENOENT' });
    assert.deepEqual(await it.partial(), []);
  });
});
