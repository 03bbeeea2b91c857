import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { DigestHasher, type VerifiedBlob } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const mebibyte = 1024 * 1024;
const block = Buffer.alloc(mebibyte, 7);

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function storeUnderTest() {
  const files = new ScriptedFiles();
  const clock = new FakeClock();
  const store = await FileBlobStore.open({ directory: '/v1', files, clock });
  return { files, clock, store };
}

function verified(content: readonly Uint8Array[]): VerifiedBlob {
  const hash = createHash('sha256');
  for (const chunk of content) hash.update(chunk);
  const hasher = new DigestHasher(parseDigest(`sha256:${hash.digest('hex')}`));
  for (const chunk of content) hasher.update(chunk);
  return hasher.verify();
}

function blocks(count: number): Buffer[] {
  return Array.from({ length: count }, () => block);
}

/** Writes until it is held up; tells how much that was. */
async function writeAll(store: FileBlobStore, count: number) {
  const blob = verified(blocks(count));
  const writer = await store.begin(blob.digest);
  const state = { written: 0 };
  const writing = (async () => {
    for (; state.written < count; state.written += 1) await writer.write(block);
  })();
  writing.catch(() => {});
  return { blob, writer, state, writing };
}

const isLarge = (call: string, digest: string) =>
  call.startsWith('datasync') && call.includes(digest.slice(7));

describe('a large blob on its way to the disk', () => {
  it('is synced while it comes', async () => {
    const { files, store } = await storeUnderTest();
    const { blob, writer, writing } = await writeAll(store, 40);
    await writing;
    assert.equal(files.calls.filter((call) => isLarge(call, blob.digest)).length, 1);
    await writer.commit(blob);
    await writer[Symbol.asyncDispose]();
    assert.equal((await store.stat(blob.digest))?.size, 40 * mebibyte);
  });

  it('does not keep a small one from being kept', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    const blob = verified(blocks(40));
    files.script = async (call) => (isLarge(call, blob.digest) ? await slow.wait() : undefined);
    const large = await writeAll(store, 40);
    await large.writing;
    const committing = large.writer.commit(blob);
    await slow.reached;
    const small = verified([bytes(1000)]);
    await using writer = await store.begin(small.digest);
    await writer.write(bytes(1000));
    await writer.commit(small);
    slow.open();
    await committing;
    await large.writer[Symbol.asyncDispose]();
  });

  it('runs no further ahead of the disk than that can sync in a moment, and goes on when it has', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const { state, writer, writing } = await writeAll(store, 200);
    await turns();
    await turns();
    assert.equal(state.written, 64);
    slow.open();
    await writing;
    await writer[Symbol.asyncDispose]();
  });

  it('is given up by the store when the disk does nothing for five seconds', async () => {
    const { files, clock, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const { writer, writing } = await writeAll(store, 200);
    await turns();
    await turns();
    await clock.advance(5000);
    await assert.rejects(writing, { name: 'StoreBusyError' });
    slow.open();
    await writer[Symbol.asyncDispose]();
    assert.deepEqual(files.paths, []);
  });

  it('does not count as kept when a sync failed on the way: the system says so once', async () => {
    const { files, store } = await storeUnderTest();
    let failures = 0;
    files.script = (call) => {
      if (call.startsWith('datasync') && failures === 0) {
        failures += 1;
        throw failure('EIO');
      }
    };
    const { blob, writer, writing } = await writeAll(store, 40);
    await writing;
    await assert.rejects(writer.commit(blob), { code: 'EIO' });
    await writer[Symbol.asyncDispose]();
    assert.deepEqual(files.paths, []);
  });
});
