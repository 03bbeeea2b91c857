import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { DigestHasher, type VerifiedBlob } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { StoreBusyError } from '#src/storage/content-store.ts';
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
  const spool = await store.begin();
  const state = { written: 0 };
  const writing = (async () => {
    for (; state.written < count; state.written += 1) await spool.write(state.written * block.length, block);
  })();
  writing.catch(() => {});
  return { blob, spool, state, writing };
}

/** A sync of what was begun first, or as the so-manyth. */
const isSyncOf = (files: ScriptedFiles, call: string, at = 0) => {
  const opened = files.calls.filter((one) => one.startsWith('open /v1/partial/'));
  return call === opened[at]?.replace('open', 'datasync');
};

describe('a large blob on its way to the disk', () => {
  it('is synced while it comes', async () => {
    const { files, store } = await storeUnderTest();
    const { blob, spool, writing } = await writeAll(store, 40);
    await writing;
    assert.equal(files.calls.filter((call) => isSyncOf(files, call)).length, 1);
    await store.put(spool, blob);
    await spool[Symbol.asyncDispose]();
    assert.equal((await store.stat(blob.digest))?.size, 40 * mebibyte);
  });

  it('does not keep a small one from being kept', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    const blob = verified(blocks(40));
    files.script = async (call) => (isSyncOf(files, call) ? await slow.wait() : undefined);
    const large = await writeAll(store, 40);
    await large.writing;
    const committing = store.put(large.spool, blob);
    await slow.reached;
    const small = verified([bytes(1000)]);
    await using spool = await store.begin();
    await spool.write(0, bytes(1000));
    await store.put(spool, small);
    slow.open();
    await committing;
    await large.spool[Symbol.asyncDispose]();
  });

  it('runs no further ahead of the disk than that can sync in a moment, and goes on when it has', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const { state, spool, writing } = await writeAll(store, 200);
    await turns();
    await turns();
    assert.equal(state.written, 64);
    slow.open();
    await writing;
    await spool[Symbol.asyncDispose]();
  });

  it('is given up by the store when the disk does nothing for five seconds', async () => {
    const { files, clock, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const { spool, writing } = await writeAll(store, 200);
    await turns();
    await turns();
    await clock.advance(5000);
    await assert.rejects(writing, { name: 'StoreBusyError' });
    slow.open();
    await spool[Symbol.asyncDispose]();
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
    const { blob, spool, writing } = await writeAll(store, 40);
    await writing;
    await assert.rejects(store.put(spool, blob), { code: 'EIO' });
    await spool[Symbol.asyncDispose]();
    assert.deepEqual(files.paths, []);
  });

  it('does not hold up others any more when it is durable, however long it is read', async () => {
    const { files, store } = await storeUnderTest();
    for (let seed = 0; seed < 20; seed += 1) {
      const content = [Buffer.alloc(4 * mebibyte, seed)];
      const blob = verified(content);
      const spool = await store.begin();
      await spool.write(0, ...content);
      await store.put(spool, blob);
    }
    files.calls.length = 0;
    const { spool, writing } = await writeAll(store, 30);
    await writing;
    assert.deepEqual(
      files.calls.filter((call) => call.startsWith('datasync')),
      [],
    );
    await spool[Symbol.asyncDispose]();
  });

  it('does not hold up others when it was given up, and still can be read', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const first = await writeAll(store, 80);
    await turns();
    await turns();
    // One of which a sync runs, and one that waits for its turn.
    const second = await writeAll(store, 81);
    const waiting = assert.rejects(second.writing, /given up/);
    await turns();
    second.spool.giveUp();
    await waiting;
    first.spool.giveUp();
    const { spool, writing } = await writeAll(store, 30);
    await writing;
    slow.open();
    await first.writing;
    await first.spool[Symbol.asyncDispose]();
    let length = 0;
    for await (const chunk of second.spool.read({ first: 0, last: mebibyte - 1 })) length += chunk.length;
    assert.equal(length, mebibyte);
    await second.spool[Symbol.asyncDispose]();
    await spool[Symbol.asyncDispose]();
  });

  it('is not synced for nothing when it is thrown away, nor waits for the others', async () => {
    const { files, store } = await storeUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const first = await writeAll(store, 33);
    await first.writing;
    const second = await writeAll(store, 34);
    second.writing.catch(() => {});
    await turns();
    let isOver = false;
    const over = second.spool[Symbol.asyncDispose]().then(() => (isOver = true));
    await turns();
    assert.equal(isOver, true);
    slow.open();
    await over;
    await first.spool[Symbol.asyncDispose]();
    assert.deepEqual(
      files.calls.filter((call) => isSyncOf(files, call, 1)),
      [],
    );
  });

  it('waits for more than five seconds where the disk works', async () => {
    const { pass, ended } = await onSlowDisk(5);
    for (let second = 0; ended.length < 5 && second < 120; second += 1) await pass(1);
    assert.deepEqual(ended, ['kept', 'kept', 'kept', 'kept', 'kept']);
  });

  it('waits for twenty seconds at most where too many others do', async () => {
    const { pass, ended } = await onSlowDisk(10);
    await pass(19);
    assert.ok(!ended.includes('given up'));
    await pass(5);
    assert.ok(ended.includes('given up'));
    for (let second = 24; ended.length < 10 && second < 120; second += 1) await pass(1);
    assert.equal(ended.length, 10);
  });
});

/** Writes so many blobs of 20 MiB and more where each sync takes three seconds, and tells how that ends. */
async function onSlowDisk(writers: number) {
  const { files, clock, store } = await storeUnderTest();
  files.script = async (call) => (call.startsWith('datasync') ? await clock.sleep(3000) : undefined);
  const ended: string[] = [];
  const end = async ({ writing, spool }: Awaited<ReturnType<typeof writeAll>>) => {
    const how = await writing.then(
      () => 'kept',
      (error) => (error instanceof StoreBusyError ? 'given up' : String(error)),
    );
    await spool[Symbol.asyncDispose]();
    ended.push(how);
  };
  for (let at = 0; at < writers; at += 1) void end(await writeAll(store, 20 + at));
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      await turns();
      await clock.advance(1000);
    }
  };
  return { pass, ended };
}
