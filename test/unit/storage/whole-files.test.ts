import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { FileMaker } from '#src/storage/file/file-maker.ts';
import type { NewFile } from '#src/storage/file/new-file.ts';
import { PartialFiles } from '#src/storage/file/partial-files.ts';
import { SyncTurns } from '#src/storage/file/sync-turns.ts';
import { WholeFiles } from '#src/storage/file/whole-files.ts';
import { KeptSpools } from '#src/storage/kept-spools.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { ScriptedFiles } from '#test/fakes/scripted-files.ts';

/** One maker makes them all, as in the program. In its one second there are always many files. */
const maker = new FileMaker(new FakeClock());

/** So many are worth no thread. */
const few = 8;

async function makingIn() {
  const directory = await temporaryDirectory();
  const [partial, blobs] = [join(directory.path, 'partial'), join(directory.path, 'blobs')];
  await mkdir(partial);
  await mkdir(blobs);
  const file = (name: string, content: Uint8Array): NewFile => ({
    from: join(partial, name),
    to: join(blobs, name),
    bytes: content,
  });
  return { file, partial, blobs, [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose]() };
}

function filesOf(
  count: number,
  { file }: { file: (name: string, content: Uint8Array) => NewFile },
): NewFile[] {
  return Array.from({ length: count }, (_, at) => file(`few${at}`, bytes(10)));
}

describe('small files that come', () => {
  it('have no thread begun for them where they are few, and are left to who asks', async () => {
    await using making = await makingIn();
    const clock = new FakeClock();
    const own = new FileMaker(clock);
    for (let second = 0; second < 3; second += 1) {
      for (const file of filesOf(few, making)) assert.deepEqual(await own.make([file], 3), []);
      await clock.advance(1001);
    }
    assert.deepEqual(await readdir(making.partial), []);
    assert.deepEqual(await readdir(making.blobs), []);
  });

  it('have one from the ninth on that comes within a second, and as long as it is there', async () => {
    await using making = await makingIn();
    const clock = new FakeClock();
    const own = new FileMaker(clock);
    assert.deepEqual(await own.make(filesOf(few, making), 3), []);
    const [ninth, later] = [making.file('ninth', bytes(10)), making.file('later', bytes(10))];
    assert.deepEqual(await own.make([ninth], 3), [ninth]);
    await clock.advance(1001);
    assert.deepEqual(await own.make([later], 3), [later]);
    assert.deepEqual(await readdir(making.blobs), ['later', 'ninth']);
  });

  it('have another one where it has rested for long and many come again', async () => {
    await using making = await makingIn();
    const clock = new FakeClock();
    const own = new FileMaker(clock);
    const many = filesOf(few + 1, making);
    assert.deepEqual(await own.make(many, 3), many);
    await clock.advance(31_000);
    assert.deepEqual(await own.make(many.slice(1), 3), []);
    assert.deepEqual(await own.make(many.slice(0, 1), 3), many.slice(0, 1));
  });
});

describe('files that a thread makes', () => {
  before(async () => {
    await using making = await makingIn();
    await maker.make(filesOf(few + 1, making), 3);
  });

  it('have their bytes and their mode under their last names, and nothing is left of the first', async () => {
    await using making = await makingIn();
    const sizes = [0, 1, 1000, 65_536, 1_000_000];
    const files = sizes.map((size) => making.file(`f${size}`, bytes(size)));
    assert.deepEqual(await maker.make(files, 3), files);
    for (const { to, bytes: content } of files) {
      assert.ok((await readFile(to)).equals(content));
      assert.equal((await stat(to)).mode & 0o777, 0o644);
    }
    assert.deepEqual(await readdir(making.partial), []);
  });

  it('take the place of those that are there', async () => {
    await using making = await makingIn();
    const file = making.file('f', bytes(10));
    await writeFile(file.to, 'another');
    assert.deepEqual(await maker.make([file], 3), [file]);
    assert.ok((await readFile(file.to)).equals(file.bytes));
  });

  it('are made though others of the same batch cannot be, of which nothing is left', async () => {
    await using making = await makingIn();
    const [one, taken, inTheWay, homeless, other] = ['one', 'taken', 'way', 'homeless', 'other'].map((name) =>
      making.file(name, bytes(1000)),
    ) as [NewFile, NewFile, NewFile, NewFile, NewFile];
    await writeFile(taken.from, 'of another');
    await mkdir(inTheWay.to);
    const nowhere = { ...homeless, to: join(making.blobs, 'none/f') };
    const made = await maker.make([one, taken, inTheWay, nowhere, other], 2);
    assert.deepEqual(made, [one, other]);
    assert.deepEqual(await readdir(making.partial), ['taken']);
    assert.equal(await readFile(taken.from, 'utf8'), 'of another');
  });

  it('are several batches at a time', async () => {
    await using making = await makingIn();
    const batches = Array.from({ length: 10 }, (_, batch) =>
      Array.from({ length: 20 }, (__, at) => making.file(`${batch}-${at}`, bytes(100 + at, batch + 1))),
    );
    const made = await Promise.all(batches.map(async (files) => await maker.make(files, 3)));
    assert.deepEqual(made, batches);
    for (const { to, bytes: content } of batches.flat()) assert.ok((await readFile(to)).equals(content));
  });

  it('leave none of their bytes behind in memory', async () => {
    await using making = await makingIn();
    const content = bytes(65_536);
    const make = async (batch: number): Promise<void> => {
      const files = Array.from({ length: 16 }, (_, at) => making.file(`${batch}-${at}`, content));
      await maker.make(files, 3);
    };
    // The thread itself takes some.
    await make(-1);
    const before = process.memoryUsage.rss();
    for (let batch = 0; batch < 40; batch += 1) await make(batch);
    const more = (process.memoryUsage.rss() - before) / 1024 / 1024;
    assert.ok(more < 7, `${more} MiB of 40`);
  });

  it('count as not made where the thread ends, and another makes the next', async () => {
    await using making = await makingIn();
    const [lost, next] = [making.file('lost', bytes(10)), making.file('next', bytes(10))];
    // No list is so long.
    assert.deepEqual(await maker.make([lost], 2 ** 40), []);
    assert.deepEqual(await maker.make([next], 3), [next]);
  });
});

/** Batches as they come to be made, each of which waits until the test lets it go on. */
function batching() {
  const files = new ScriptedFiles();
  const batches: (readonly NewFile[])[] = [];
  const goes: (() => void)[] = [];
  const isMade = { now: (_: NewFile) => true };
  const make = async (batch: readonly NewFile[]) => {
    batches.push(batch);
    await new Promise<void>((resolve) => goes.push(resolve));
    return batch.filter(isMade.now);
  };
  const alone: string[] = [];
  const clock = new FakeClock();
  const kept = new KeptSpools<never>(clock);
  const turns = new SyncTurns();
  const whole = new WholeFiles({
    files: Object.assign(files, { make }),
    partial: new PartialFiles({ files, directory: '/partial', clock, owners: undefined, kept }),
    turns,
    alone: async (_, target) => void alone.push(target),
  });
  return { batches, goes, isMade, alone, turns, whole };
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

describe('small files that are to be made', () => {
  it('go in batches of 64 at most: what comes while one is made goes with the next', async () => {
    const { batches, goes, alone, whole } = batching();
    const keep = async (at: number): Promise<void> => await whole.keep(bytes(10), `/blobs/${at}`);
    const all = [keep(0)];
    await settled();
    for (let at = 1; at < 100; at += 1) all.push(keep(at));
    await settled();
    for (const length of [1, 64, 35]) {
      assert.equal(batches.at(-1)?.length, length);
      goes.at(-1)?.();
      await settled();
    }
    await Promise.all(all);
    assert.deepEqual(
      batches.flat().map(({ to }) => to),
      Array.from({ length: 100 }, (_, at) => `/blobs/${at}`),
    );
    assert.equal(new Set(batches.flat().map(({ from }) => from)).size, 100);
    assert.deepEqual(alone, []);
  });

  it('are made by themselves where a batch leaves them out, and the others are not', async () => {
    const { goes, isMade, alone, whole } = batching();
    isMade.now = ({ to }) => to !== '/blobs/bad';
    const all = ['/blobs/first', '/blobs/bad', '/blobs/good'].map(
      async (to) => await whole.keep(bytes(10), to),
    );
    await settled();
    goes[0]?.();
    await settled();
    goes[1]?.();
    await Promise.all(all);
    assert.deepEqual(alone, ['/blobs/bad']);
  });

  it('are made by themselves, these and the next, where making them fails as a whole', async () => {
    const { goes, isMade, alone, whole } = batching();
    isMade.now = () => {
      throw new Error('no memory');
    };
    for (const [at, to] of ['/blobs/a', '/blobs/b'].entries()) {
      const kept = whole.keep(bytes(10), to);
      await settled();
      goes[at]?.();
      await kept;
    }
    assert.deepEqual(alone, ['/blobs/a', '/blobs/b']);
  });

  it('are made by themselves where they are larger than 64 KiB', async () => {
    const { batches, alone, whole } = batching();
    await whole.keep(bytes(65_537), '/blobs/large');
    assert.deepEqual([batches, alone], [[], ['/blobs/large']]);
  });

  it('wait for a turn among those who sync', async () => {
    const { batches, goes, turns, whole } = batching();
    const others = [await turns.small(), await turns.small(), await turns.small()];
    const kept = whole.keep(bytes(10), '/blobs/a');
    await settled();
    assert.deepEqual(batches, []);
    others[0]?.[Symbol.dispose]();
    await settled();
    assert.equal(batches.length, 1);
    const disposed = whole[Symbol.asyncDispose]();
    goes[0]?.();
    await kept;
    await disposed;
  });
});
