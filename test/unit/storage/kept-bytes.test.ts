import assert from 'node:assert/strict';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { hexOf, sha256, verifyWhole } from '#src/oci/digest.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { bytes } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const content = Buffer.from(bytes(3000));
const digest = sha256(content);
const blob = verifyWhole(digest, content);
const path = `/v1/blobs/sha256/${hexOf(digest)}`;

/** What was called of the file system, without the names in `partial/`. */
function callsOf({ calls }: ScriptedFiles): string[] {
  return calls.map((call) => call.replace(/partial\/spool\..*/, 'partial/…'));
}

describe('bytes that are kept', () => {
  it('are on the disk under another name before they have their own, and their directory before that counts', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files });
    files.calls.length = 0;
    await store.keep(blob, content);
    const calls = callsOf(files);
    const inOrder = [
      'open /v1/partial/…',
      'write /v1/partial/…',
      'datasync /v1/partial/…',
      'rename /v1/partial/…',
      'sync /v1/blobs/sha256',
    ];
    assert.deepEqual(
      calls.filter((call) => inOrder.includes(call)),
      inOrder,
    );
    assert.ok(calls.includes('close /v1/partial/…'));
    assert.deepEqual(files.paths, [path]);
  });

  for (const failing of ['open', 'write', 'datasync', 'rename']) {
    it(`leave nothing where they could not be kept, and are kept the next time: ${failing}`, async () => {
      const files = new ScriptedFiles();
      const store = await FileBlobStore.open({ directory: '/v1', files, maxWriters: 1 });
      files.script = (call) => {
        if (call.startsWith(`${failing} /v1/partial`)) throw failure('ENOSPC');
      };
      for (let time = 0; time < 2; time += 1) await assert.rejects(store.keep(blob, content), StoreFullError);
      assert.deepEqual(files.paths, []);
      const opened = callsOf(files).filter((call) => call.startsWith('open /v1/partial')).length;
      const closed = callsOf(files).filter((call) => call.startsWith('close /v1/partial')).length;
      assert.equal(closed, failing === 'open' ? 0 : opened);
      files.script = () => undefined;
      await store.keep(blob, content);
      assert.deepEqual(files.paths, [path]);
    });
  }

  it('are not kept where their directory could not be synced', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files });
    files.script = (call) => {
      if (call === 'sync /v1/blobs/sha256') throw failure('EIO');
    };
    await assert.rejects(store.keep(blob, content), { code: 'EIO' });
  });

  for (const name of ['.', 'blobs', 'blobs/sha256', 'partial']) {
    it(`are kept though somebody has removed a directory: ${name}`, async () => {
      await using directory = await temporaryDirectory();
      await using store = await FileBlobStore.open({ directory: join(directory.path, 'v1') });
      await store.keep(blob, content);
      await rm(join(directory.path, 'v1', name), { recursive: true });
      await store.keep(blob, content);
      assert.equal((await store.stat(digest))?.size, 3000);
      assert.deepEqual(await readdir(join(directory.path, 'v1/partial')), []);
    });
  }
});
