import assert from 'node:assert/strict';
import { readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '#src/oci/digest.ts';
import type { ByteRange } from '#src/oci/registry.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { largeBlob, StoringProcess } from '#test/fakes/storing-process.ts';
import { repetitions } from '#test/setup/repetitions.ts';

const { note, part } = largeBlob;
/** Of the moments at which it is killed, the first in `npm test`. */
function someOf(moments: readonly number[]): readonly number[] {
  return moments.slice(0, repetitions(moments.length));
}

/** So that a sync comes on the way, and the process is killed before the end. */
const parts = 200;

/** Bounded by a minute: machines are slow. */
async function recordIn(partial: string): Promise<string> {
  for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; await sleep(5)) {
    const names = await readdir(partial).catch(() => []);
    const found = names.find((name) => name.endsWith('.ranges'));
    if (found !== undefined) return join(partial, found);
  }
  throw new Error('nothing was put on record');
}

/** Bounded likewise. */
async function somethingIn(directory: string): Promise<void> {
  for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; await sleep(1)) {
    if ((await readdir(directory).catch(() => [])).length > 0) return;
  }
  throw new Error('nothing was kept');
}

/** What is on record are bytes that were written, and right. */
async function assertRight(directory: string): Promise<readonly ByteRange[]> {
  await using store = await FileBlobStore.open({ directory, owners: (partial) => new OwnerLocks(partial) });
  await using spool = await store.reopen(note);
  assert.ok(spool);
  for (const { first, last } of spool.ranges) {
    assert.ok(last < parts * part.length);
    let at = first;
    for await (const chunk of spool.read({ first, last })) {
      for (let taken = 0; taken < chunk.length; ) {
        const from = at % part.length;
        const length = Math.min(chunk.length - taken, part.length - from);
        assert.ok(
          part.subarray(from, from + length).equals(chunk.subarray(taken, taken + length)),
          `byte ${at}`,
        );
        taken += length;
        at += length;
      }
    }
  }
  return [...spool.ranges];
}

/** Kills a process that writes, some time after something is on record; tells where that stands. */
async function killed(directory: string, order: readonly number[], afterMs: number): Promise<string> {
  await using child = new StoringProcess();
  await child.ask({ kind: 'write', directory, parts: order });
  const record = await recordIn(join(directory, 'partial'));
  await sleep(afterMs);
  await child.kill();
  return record;
}

const inOrder = Array.from({ length: parts }, (_, at) => at);
const fromBothEnds = inOrder.map((at) => (at % 2 === 0 ? at / 2 : parts - 1 - (at - 1) / 2));

describe('a process that is killed while it writes', () => {
  for (const [how, order] of Object.entries({ 'in order': inOrder, 'from both ends': fromBothEnds })) {
    it(`leaves what was on record, ${how}, to the next`, async () => {
      for (const afterMs of someOf([7, 0, 40])) {
        await using directory = await temporaryDirectory();
        await killed(directory.path, order, afterMs);
        const ranges = await assertRight(directory.path);
        assert.ok(ranges.length > 0);
        assert.deepEqual(await readdir(join(directory.path, 'partial')), []);
      }
    });
  }

  it('leaves it also where it was killed in the middle of a record', async () => {
    await using directory = await temporaryDirectory();
    const record = await killed(directory.path, fromBothEnds, 0);
    await writeFile(`${record}.new`, (await readFile(record)).subarray(0, 70));
    await assertRight(directory.path);
    assert.deepEqual(await readdir(join(directory.path, 'partial')), []);
  });

  it('leaves nothing where no record is whole', async () => {
    await using directory = await temporaryDirectory();
    const record = await killed(directory.path, inOrder, 0);
    await writeFile(`${record}.new`, (await readFile(record)).subarray(0, 70));
    await rename(`${record}.new`, record);
    await using store = await FileBlobStore.open({
      directory: directory.path,
      owners: (partial) => new OwnerLocks(partial),
    });
    assert.equal(await store.reopen(note), undefined);
    assert.equal((await readdir(join(directory.path, 'partial'))).length, 1);
  });

  it('leaves it to the next and the one after, each of which goes on', async () => {
    await using directory = await temporaryDirectory();
    const keep = async (more: readonly number[]) => {
      await using child = new StoringProcess();
      const ranges = await child.ask({ kind: 'keep', directory: directory.path, parts: more });
      await child.kill();
      return ranges;
    };
    await keep([0, 1]);
    await keep([7]);
    const ranges = await keep([2]);
    const expected = [
      { first: 0, last: 3 * part.length - 1 },
      { first: 7 * part.length, last: 8 * part.length - 1 },
    ];
    assert.deepEqual(ranges, expected);
    assert.deepEqual(await assertRight(directory.path), expected);
  });

  it('leaves no half of a small blob under its name, and nothing else behind the next start', async () => {
    for (const afterMs of someOf([3, 0, 20])) {
      await using directory = await temporaryDirectory();
      const blobs = join(directory.path, 'blobs/sha256');
      await using child = new StoringProcess();
      await child.ask({ kind: 'small', directory: directory.path, count: 2000 });
      await somethingIn(blobs);
      await sleep(afterMs);
      await child.kill();
      const names = await readdir(blobs);
      for (const name of names) assert.equal(sha256(await readFile(join(blobs, name))), `sha256:${name}`);
      await using store = await FileBlobStore.open({
        directory: directory.path,
        owners: (partial) => new OwnerLocks(partial),
      });
      assert.equal((await Array.fromAsync(store.list())).length, names.length);
      const left = await readdir(join(directory.path, 'partial'));
      assert.deepEqual(
        left.filter((name) => !name.startsWith('owner.')),
        [],
      );
    }
  });

  it('loses nothing to another that runs beside it, and everything when it is dead', async () => {
    await using directory = await temporaryDirectory();
    await using child = new StoringProcess();
    await child.ask({ kind: 'keep', directory: directory.path, parts: [0, 1] });
    {
      await using store = await FileBlobStore.open({
        directory: directory.path,
        owners: (partial) => new OwnerLocks(partial),
      });
      assert.equal(await store.reopen(note), undefined);
    }
    await child.kill();
    assert.deepEqual(await assertRight(directory.path), [{ first: 0, last: 2 * part.length - 1 }]);
  });
});
