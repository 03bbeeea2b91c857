import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DigestHasher, sha256 } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { readRecord } from '#src/storage/file/spool-record.ts';
import type { Owners } from '#src/storage/owners.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const mebibyte = 1024 * 1024;
const block = Buffer.alloc(mebibyte, 7);
const note = { digest: parseDigest(`sha256:${'4'.repeat(64)}`), scope: 'docker.io', size: undefined };

async function turns(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

const alone: Owners = {
  mine: '0'.repeat(16),
  lifeOf: async () => 'unknown',
  async forget() {},
  async renew() {},
  [Symbol.dispose]() {},
};

async function spoolUnderTest({ isMarked = true } = {}) {
  const files = new ScriptedFiles();
  await files.mkdir('/v1/partial');
  const clock = new FakeClock();
  const store = await FileBlobStore.open({ directory: '/v1', files, clock, owners: () => alone });
  const spool = await store.begin();
  if (isMarked) spool.mark(note);
  const path = files.paths[0] ?? '';
  files.calls.length = 0;
  let written = 0;
  const write = async (mebibytes: number, by: Spool = spool) => {
    for (let at = 0; at < mebibytes; at += 1, written += 1) await by.write(written * mebibyte, block);
  };
  const recorded = async () => {
    const found = await readRecord(files, `${path}.ranges`).catch(() => undefined);
    files.calls.splice(-3);
    return found?.ranges;
  };
  /** What is done, without the names of files. */
  const done = () =>
    files.calls.map((call) => call.replace(path, 'spool')).filter((call) => call !== 'write spool');
  return { files, clock, store, spool, path, write, recorded, done };
}

const first = (mebibytes: number) => [{ first: 0, last: mebibytes * mebibyte - 1 }];

const steps = [
  'datasync spool',
  'open spool.ranges.new',
  'write spool.ranges.new',
  'datasync spool.ranges.new',
  'rename spool.ranges.new',
  'close spool.ranges.new',
  'open /v1/partial',
  'sync /v1/partial',
  'close /v1/partial',
];

describe('what is on record of a blob on its way', () => {
  it('was synced before, and is there whole or not at all', async () => {
    const { spool, write, recorded, done } = await spoolUnderTest();
    await write(33);
    await turns();
    assert.deepEqual(done(), steps);
    assert.deepEqual(await recorded(), first(32));
    await spool[Symbol.asyncDispose]();
  });

  it('is nothing of what is written while the sync runs', async () => {
    const { files, spool, write, recorded } = await spoolUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    await write(32);
    await slow.reached;
    await write(4);
    slow.open();
    await turns();
    assert.deepEqual(await recorded(), first(32));
    await spool[Symbol.asyncDispose]();
  });

  it('follows what comes slowly after ten seconds, from a mebibyte on, and no more often', async () => {
    const { files, clock, spool, write, recorded } = await spoolUnderTest();
    await write(1);
    await clock.advance(9_999);
    await turns();
    assert.deepEqual(
      files.calls.filter((call) => call.startsWith('datasync')),
      [],
    );
    await clock.advance(1);
    await turns();
    assert.deepEqual(await recorded(), first(1));
    for (let second = 0; second < 60; second += 1) {
      await write(1);
      await clock.advance(1000);
      await turns();
    }
    assert.equal(files.calls.filter((call) => call.startsWith('rename')).length, 7);
    await spool[Symbol.asyncDispose]();
    assert.equal(clock.sleeping, 0);
  });

  it('follows what stands still as well', async () => {
    const { clock, spool, write, recorded } = await spoolUnderTest();
    await write(5);
    await clock.advance(10_000);
    await turns();
    assert.deepEqual(await recorded(), first(5));
    assert.equal(clock.sleeping, 0);
    await spool[Symbol.asyncDispose]();
  });

  it('of many that come slowly is synced one at a time, so that what is held up waits for no crowd', async () => {
    const { files, clock, store, spool, write } = await spoolUnderTest();
    const slow = gate();
    files.script = async (call) => (call.startsWith('datasync') ? await slow.wait() : undefined);
    const others = await Promise.all(Array.from({ length: 20 }, async () => await store.begin()));
    await write(2);
    for (const other of others) {
      other.mark(note);
      await other.write(0, block, block);
    }
    const syncs = () =>
      files.calls.filter((call) => call.startsWith('datasync') && !call.includes('.ranges'));
    for (let time = 0; time < 3; time += 1) {
      await clock.advance(10_000);
      await turns();
    }
    assert.equal(syncs().length, 1);
    slow.open();
    for (let time = 0; time < 10; time += 1) await turns();
    assert.equal(new Set(syncs()).size, 21);
    for (const one of [spool, ...others]) await one[Symbol.asyncDispose]();
    assert.equal(clock.sleeping, 0);
  });

  it('is written once a second at most of what comes fast, and then of all that was synced', async () => {
    const { files, clock, spool, write, recorded } = await spoolUnderTest();
    for (let time = 0; time < 5; time += 1) {
      await write(32);
      await turns();
    }
    assert.equal(files.calls.filter((call) => call.startsWith('rename')).length, 1);
    assert.deepEqual(await recorded(), first(32));
    await clock.advance(10_000);
    await turns();
    assert.deepEqual(await recorded(), first(160));
    await spool[Symbol.asyncDispose]();
  });

  it('is nothing of what nobody has said what it is, until somebody does', async () => {
    const { files, clock, spool, write, recorded } = await spoolUnderTest({ isMarked: false });
    await write(33);
    await clock.advance(10_000);
    await turns();
    assert.equal(files.paths.length, 1);
    spool.mark({ ...note, scope: 'ghcr.io' });
    for (const mebibytes of [32, 33]) {
      await clock.advance(10_000);
      await turns();
      assert.deepEqual(await recorded(), first(mebibytes));
    }
    await spool[Symbol.asyncDispose]();
  });

  it('costs a small blob no call, no timer and no file', async () => {
    const { files, clock, store, spool } = await spoolUnderTest();
    const content = bytes(mebibyte - 1);
    await spool.write(0, content);
    assert.equal(clock.sleeping, 0);
    const hasher = new DigestHasher(sha256(content));
    hasher.update(content);
    await store.put(spool, hasher.verify());
    await spool[Symbol.asyncDispose]();
    assert.deepEqual(
      files.calls.map((call) => call.split(' ')[0]),
      // The last of the file says which it is (storage/stamp.ts), and by the first nobody else has written to it since.
      ['write', 'fstat', 'datasync', 'rename', 'fstat', 'open', 'sync', 'close'],
    );
  });

  it('goes when the blob is there, and when it is thrown away', async () => {
    for (const isPut of [true, false]) {
      const { files, store, spool, write } = await spoolUnderTest();
      await write(33);
      await turns();
      assert.equal(files.paths.length, 2);
      if (isPut) {
        const hasher = new DigestHasher(sha256(Buffer.alloc(33 * mebibyte, 7)));
        for (let at = 0; at < 33; at += 1) hasher.update(block);
        await store.put(spool, hasher.verify());
      }
      await spool[Symbol.asyncDispose]();
      assert.equal(files.paths.filter((path) => path.startsWith('/v1/partial')).length, 0);
    }
  });

  it('is missing where it cannot be written, and the blob comes all the same', async () => {
    for (const broken of ['open', 'write', 'datasync', 'rename', 'rm']) {
      const { files, store, spool, write } = await spoolUnderTest();
      files.script = (call) => {
        if (call.startsWith(broken) && call.includes('.ranges')) throw failure('ENOSPC');
        if (call === 'open /v1/partial') throw failure('EMFILE');
      };
      await write(40);
      await turns();
      const hasher = new DigestHasher(sha256(Buffer.alloc(40 * mebibyte, 7)));
      for (let at = 0; at < 40; at += 1) hasher.update(block);
      await store.put(spool, hasher.verify());
      await spool[Symbol.asyncDispose]();
      assert.ok(await store.stat(sha256(Buffer.alloc(40 * mebibyte, 7))));
    }
  });
});

describe('what is to be kept', () => {
  it('is synced and on record before anybody may go on with it', async () => {
    const { store, spool, write, recorded, done } = await spoolUnderTest();
    await write(2);
    await spool.keep();
    assert.deepEqual(done(), steps);
    assert.deepEqual(await recorded(), first(2));
    await spool[Symbol.asyncDispose]();
    await using again = await store.reopen(note);
    assert.deepEqual([...(again?.ranges ?? [])], first(2));
  });

  it('is what is on record: nothing lies there of which no record could be written', async () => {
    const { files, store, spool, write } = await spoolUnderTest();
    await write(2);
    files.script = (call) => {
      if (call.includes('.ranges')) throw failure('ENOSPC');
    };
    await spool.keep();
    await spool[Symbol.asyncDispose]();
    assert.equal(await store.reopen(note), undefined);
    assert.deepEqual(
      files.paths.filter((path) => path.startsWith('/v1/partial/spool')),
      [],
    );
  });

  it('is synced again for what was written since, also where it was given up', async () => {
    const { store, spool, write, recorded } = await spoolUnderTest();
    await write(34);
    spool.giveUp();
    await write(2);
    await spool.keep();
    assert.deepEqual(await recorded(), first(36));
    await spool[Symbol.asyncDispose]();
    await using again = await store.reopen(note);
    assert.ok(again);
  });

  it('is not written again where nothing came since', async () => {
    const { files, store, spool, write } = await spoolUnderTest();
    await write(2);
    await spool.keep();
    await spool[Symbol.asyncDispose]();
    const again = await store.reopen(note);
    files.calls.length = 0;
    await again?.keep();
    await again?.[Symbol.asyncDispose]();
    assert.deepEqual(
      files.calls.map((call) => call.split(' ')[0]),
      ['close'],
    );
    await using third = await store.reopen(note);
    assert.ok(third);
  });

  it('is nothing that a sync or a write has failed on: the system tells of it once', async () => {
    for (const broken of ['datasync', 'write']) {
      for (const code of ['EIO', 'ENOSPC']) {
        const { files, store, spool, write } = await spoolUnderTest();
        await write(2);
        let failures = 0;
        files.script = (call) => {
          if (!call.startsWith(broken) || call.includes('.ranges') || failures > 0) return;
          failures += 1;
          throw failure(code);
        };
        await write(40).catch((error: unknown) =>
          assert.ok(code === 'EIO' || error instanceof StoreFullError),
        );
        await turns();
        await spool.keep();
        await spool[Symbol.asyncDispose]();
        assert.equal(failures, 1);
        assert.equal(await store.reopen(note), undefined);
        assert.deepEqual(files.paths, []);
      }
    }
  });

  for (const [when, patienceMs] of [
    ['', 5000],
    [' at the end of the process', 300],
  ] as const)
    it(`is what was on record where the disk has no time for more${when}, and nothing hangs for it`, async () => {
      const { files, clock, store, spool, write, path } = await spoolUnderTest();
      await write(33);
      await turns();
      // Another has its turn, and does not end.
      const stuck = gate();
      files.script = async (call) =>
        call.startsWith('datasync') && !call.includes(path) ? await stuck.wait() : undefined;
      const other = await store.begin();
      for (let at = 0; at < 33; at += 1) await other.write(at * mebibyte, block);
      await stuck.reached;
      if (when !== '') store.hurry();
      const keeping = spool.keep();
      await turns();
      await clock.advance(patienceMs);
      await keeping;
      await spool[Symbol.asyncDispose]();
      await using again = await store.reopen(note);
      assert.deepEqual([...(again?.ranges ?? [])], first(32));
      stuck.open();
      await other[Symbol.asyncDispose]();
    });

  it('is waited for by whoever asks for it while it is being kept, for five seconds at most', async () => {
    for (const isStuck of [false, true]) {
      const { files, clock, store, spool, write, path } = await spoolUnderTest();
      await write(2);
      const slow = gate();
      files.script = async (call) => (call === `datasync ${path}` ? await slow.wait() : undefined);
      const keeping = spool.keep();
      const reopening = store.reopen(note);
      await slow.reached;
      if (isStuck) await clock.advance(5000);
      else slow.open();
      await using again = await reopening;
      assert.deepEqual([...(again?.ranges ?? [])], isStuck ? [] : first(2));
      slow.open();
      await keeping;
      await spool[Symbol.asyncDispose]();
    }
  });

  it('is nothing that becomes a blob meanwhile, and no blob afterwards', async () => {
    const { files, store, spool, write, path } = await spoolUnderTest();
    await write(2);
    const hasher = new DigestHasher(sha256(Buffer.alloc(2 * mebibyte, 7)));
    for (let at = 0; at < 2; at += 1) hasher.update(block);
    const slow = gate();
    files.script = async (call) => (call === `datasync ${path}` ? await slow.wait() : undefined);
    const blob = hasher.verify();
    const putting = store.put(spool, blob);
    await slow.reached;
    const keeping = spool.keep();
    await turns();
    assert.equal(await store.reopen(note), undefined);
    slow.open();
    await putting;
    await keeping;
    await spool[Symbol.asyncDispose]();
    assert.equal(await store.reopen(note), undefined);
    assert.ok(await store.stat(blob.digest));
    const other = await store.begin();
    other.mark(note);
    await other.write(0, block, block);
    await other.keep();
    await assert.rejects(store.put(other, blob), /kept/);
    await other[Symbol.asyncDispose]();
  });

  it('is put back where no file can be opened just now', async () => {
    const { files, store, spool, write } = await spoolUnderTest();
    await write(2);
    await spool.keep();
    await spool[Symbol.asyncDispose]();
    files.script = (call) => {
      if (call.startsWith('open')) throw failure('EMFILE');
    };
    assert.equal(await store.reopen(note), undefined);
    files.script = () => undefined;
    await using again = await store.reopen(note);
    assert.ok(again);
  });

  it('is 64 at a time: what comes beside them, as at the end of the process, is thrown away', async () => {
    const { files, store } = await spoolUnderTest();
    const spools = await Promise.all(Array.from({ length: 80 }, async () => await store.begin()));
    for (const [at, spool] of spools.entries()) {
      spool.mark({ ...note, scope: `host${at}` });
      await spool.write(0, block);
    }
    files.calls.length = 0;
    await Promise.all(spools.map(async (spool) => await spool.keep()));
    await Promise.all(spools.map(async (spool) => await spool[Symbol.asyncDispose]()));
    assert.equal(files.calls.filter((call) => call.startsWith('rename')).length, 64);
    assert.equal(files.paths.filter((path) => path.endsWith('.ranges')).length, 64);
  });
});
