import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { WalSync } from '#src/storage/sqlite/wal-sync.ts';
import { app, HostedUnderTest, sent } from '#test/fakes/hosted-under-test.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';

/** Runs until nothing more happens by itself. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('what a client has changed', () => {
  it('is answered when the index is on the disk with it, and not before', async () => {
    const synced = Promise.withResolvers<void>();
    let waits = 0;
    const metadata = scriptedIndex(() => ({
      durable: async () => {
        waits += 1;
        await synced.promise;
      },
    }));
    await using hosted = new HostedUnderTest({}, { metadata });
    const { pushes } = hosted;
    const { id } = await pushes.beginUpload(app);
    await pushes.append(app, id, sent(Buffer.from('layer')));
    let isDone = false;
    const pushing = hosted.blob('layer').then((digest) => {
      isDone = true;
      return digest;
    });
    await settle();
    assert.deepEqual([isDone, waits], [false, 1]);
    synced.resolve();
    const digest = await pushing;
    await hosted.manifest('v1', [digest]);
    await pushes.commit(app, id, digest, undefined);
    assert.equal(waits, 3);
  });

  it('is told to whoever remembers the index before it is answered, and is no success where the disk fails', async () => {
    const metadata = scriptedIndex(() => ({
      durable: async () => {
        throw Object.assign(new Error('the disk has failed'), { code: 'EIO' });
      },
    }));
    await using hosted = new HostedUnderTest({}, { metadata });
    await assert.rejects(hosted.blob('layer'), { code: 'EIO' });
    assert.ok(hosted.told.includes('link blob'));
  });
});

describe('a sync of the log of the index', () => {
  it('at once fails where that cannot be', async () => {
    await using sync = new WalSync('/nonexistent/index.sqlite');
    await assert.rejects(sync.atOnce(), { code: 'ENOENT' });
  });
});
