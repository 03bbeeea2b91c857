import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseDigest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);

describe('a blob file that cannot be examined', () => {
  it('is not left open', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files });
    const path = `/v1/blobs/sha256/${'0'.repeat(64)}`;
    await files.open(path, 'wx+');
    files.calls.length = 0;
    files.script = (call) => {
      if (call.startsWith('fstat')) throw failure('EIO');
    };
    await assert.rejects(store.open(digest), { code: 'EIO' });
    assert.deepEqual(files.calls, [`open ${path}`, `fstat ${path}`, `close ${path}`]);
  });
});
