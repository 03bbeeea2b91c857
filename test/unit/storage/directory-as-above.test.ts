import assert from 'node:assert/strict';
import { chown, mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hexOf, sha256 } from '#src/oci/digest.ts';
import { nodeFileSystem } from '#src/storage/file/file-system.ts';
import { makeDirectory } from '#src/storage/file/make-directory.ts';
import { Trash } from '#src/storage/file/trash.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const asRoot = { skip: process.geteuid?.() === 0 ? false : 'root alone gives directories away' };
/** Of the server. */
const [uid, gid] = [65_533, 65_532];
const digest = sha256(Buffer.from('blob'));

async function ownerOf(path: string): Promise<readonly [number, number]> {
  const status = await stat(path);
  return [status.uid, status.gid];
}

describe('a directory that root makes in the cache of another user', asRoot, () => {
  it('is that user’s, with those above it', async () => {
    await using directory = await temporaryDirectory();
    await chown(directory.path, uid, gid);
    await makeDirectory(nodeFileSystem, join(directory.path, 'v1/quarantine'));
    for (const path of ['v1', 'v1/quarantine'])
      assert.deepEqual(await ownerOf(join(directory.path, path)), [uid, gid], path);
  });

  it('is so where what is removed lies', async () => {
    await using directory = await temporaryDirectory();
    const blobs = join(directory.path, 'blobs/sha256');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, hexOf(digest)), 'blob');
    await chown(directory.path, uid, gid);
    assert.equal(new Trash(directory.path).take(digest, Date.now() + 60_000), 'taken');
    assert.deepEqual(await ownerOf(join(directory.path, 'trash')), [uid, gid]);
  });
});
