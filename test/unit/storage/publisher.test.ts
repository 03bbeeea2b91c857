import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { stampOf } from '#src/storage/file/file-system.ts';
import { Publisher } from '#src/storage/file/publisher.ts';
import { StoreDirectories } from '#src/storage/file/store-directories.ts';
import { SyncTurns } from '#src/storage/file/sync-turns.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function publisherUnderTest(count: number) {
  const files = new ScriptedFiles();
  await files.mkdir('/blobs');
  const opened = await Promise.all(
    Array.from({ length: count }, async (_, at) => await files.open(`/partial/${at}`, 'wx+')),
  );
  files.calls.length = 0;
  const publisher = new Publisher(files, new SyncTurns(), new StoreDirectories(files, '/'));
  const publish = (at: number): ReturnType<Publisher['publish']> => {
    const file = opened[at];
    assert.ok(file);
    return publisher.publish(file, `/partial/${at}`, `/blobs/${at}`);
  };
  return { files, publisher, publish };
}

describe('the publisher', () => {
  it('syncs a file before it is renamed, and its directory before it counts as kept', async () => {
    const { files, publish } = await publisherUnderTest(1);
    const stamp = await publish(0);
    assert.deepEqual(files.calls, [
      ...['datasync /partial/0', 'rename /partial/0', 'fstat /partial/0'],
      ...['open /blobs', 'sync /blobs'],
    ]);
    assert.deepEqual(stamp, stampOf(await files.exactStat('/blobs/0')));
    assert.deepEqual(files.paths, ['/blobs/0']);
  });

  it('lets nobody wait for more than a batch: what came first is kept before what came last is begun', async () => {
    const { files, publish } = await publisherUnderTest(500);
    const late = gate();
    files.script = async (call) => (call === 'datasync /partial/400' ? await late.wait() : undefined);
    let kept = 0;
    const all = Array.from({ length: 500 }, async (_, at) => {
      await publish(at);
      kept += 1;
    });
    await late.reached;
    await turns();
    assert.ok(kept >= 300, `${kept}`);
    late.open();
    await Promise.all(all);
    assert.equal(files.paths.length, 500);
  });

  it('runs three syncs at a time, which leaves a thread to those who read', async () => {
    const { files, publish } = await publisherUnderTest(10);
    let running = 0;
    let most = 0;
    files.script = async (call) => {
      if (!call.startsWith('datasync')) return;
      running += 1;
      most = Math.max(most, running);
      await turns();
      running -= 1;
    };
    await Promise.all(Array.from({ length: 10 }, async (_, at) => await publish(at)));
    assert.equal(most, 3);
  });

  it('keeps what can be kept when one file fails', async () => {
    const { files, publish } = await publisherUnderTest(3);
    files.script = (call) => {
      if (call === 'datasync /partial/1') throw failure('EIO');
    };
    const results = await Promise.allSettled([publish(0), publish(1), publish(2)]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(files.paths, ['/blobs/0', '/blobs/2', '/partial/1']);
  });

  it('says of none that it is kept when the directory could not be synced', async () => {
    const { files, publish } = await publisherUnderTest(2);
    files.script = (call) => {
      if (call === 'sync /blobs') throw failure('ENOSPC');
    };
    const results = await Promise.allSettled([publish(0), publish(1)]);
    for (const result of results)
      assert.ok(result.status === 'rejected' && result.reason.name === 'StoreFullError');
  });

  it('opens nothing for what comes later, for there may be no file left to open', async () => {
    const { files, publisher, publish } = await publisherUnderTest(2);
    await publish(0);
    files.script = (call) => {
      if (call.startsWith('open')) throw failure('EMFILE');
    };
    await publish(1);
    await publisher[Symbol.asyncDispose]();
    assert.deepEqual(files.calls.slice(5), [
      'datasync /partial/1',
      'rename /partial/1',
      'fstat /partial/1',
      'sync /blobs',
      'close /blobs',
    ]);
  });
});
