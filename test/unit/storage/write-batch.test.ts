import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { StoreBusyError } from '#src/storage/content-store.ts';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { WriteBatch, type WriteSettings } from '#src/storage/sqlite/write-batch.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** Time passes while something is done, and nobody is woken. */
class TimedClock extends FakeClock {
  #passed = 0;

  pass(milliseconds: number): void {
    this.#passed += milliseconds;
  }

  override monotonic(): number {
    return super.monotonic() + this.#passed;
  }
}

async function batchUnderTest() {
  const directory = await temporaryDirectory();
  const { database } = await openDatabase(directory.path);
  database.exec('create table t (n integer primary key)');
  const clock = new TimedClock();
  const state = { commits: 0 };
  const batch = new WriteBatch(database, clock, () => (state.commits += 1));
  const insert = database.prepare<[number]>('insert into t values (?)');
  const numbers = database.prepare<[], { n: number }>('select n from t order by n');
  return {
    batch,
    clock,
    state,
    /** As another process does, until it is disposed of. */
    lock() {
      const other = new SqliteDatabase(join(directory.path, 'index-3.sqlite'));
      other.exec('begin immediate');
      return { [Symbol.dispose]: () => other.close() };
    },
    put: async (n: number, settings?: WriteSettings) =>
      await batch.add(() => insert.run(n).changes, settings),
    /** As SQLite does by itself where there is no room. */
    rollBack() {
      database.exec('rollback');
      throw new Error('no room');
    },
    numbers: () => numbers.all().map(({ n }) => n),
    async [Symbol.asyncDispose]() {
      await batch[Symbol.asyncDispose]();
      database.close();
      await directory[Symbol.asyncDispose]();
    },
  };
}

describe('writes to the index', () => {
  it('of one turn are one transaction, in the order of their calls', async () => {
    await using test = await batchUnderTest();
    const seen: number[][] = [];
    const looks = test.batch.add(() => seen.push(test.numbers()));
    const writes = [test.put(1), test.put(2), test.batch.add(() => seen.push(test.numbers()))];
    await Promise.all([looks, ...writes]);
    assert.deepEqual(seen, [[], [1, 2]]);
    assert.equal(test.state.commits, 1);
  });

  it('that fail for their own reason leave the others alone, and nothing of their own behind', async () => {
    await using test = await batchUnderTest();
    const half = test.batch.add(() => {
      void test.put(4);
      throw new Error('its own');
    });
    const results = await Promise.allSettled([test.put(1), half, test.put(1), test.put(2)]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
    );
    await test.put(3);
    assert.deepEqual(test.numbers(), [1, 2, 3, 4]);
  });

  it('all fail when their transaction does', async () => {
    await using test = await batchUnderTest();
    const ends = test.batch.add(() => test.rollBack());
    const results = await Promise.allSettled([test.put(1), ends, test.put(2)]);
    assert.deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'rejected'],
    );
    assert.deepEqual(test.numbers(), []);
    assert.equal(test.state.commits, 0);
  });

  it('of many are several transactions, so that others have their turn', async () => {
    await using test = await batchUnderTest();
    await Promise.all(Array.from({ length: 300 }, async (_, n) => await test.put(n)));
    assert.equal(test.numbers().length, 300);
    assert.equal(test.state.commits, 3);
  });

  it('of many rows are several transactions, too, unless one alone is larger', async () => {
    await using test = await batchUnderTest();
    const sizes = [100, 100, 20, 1000, 10, 10];
    await Promise.all(sizes.map(async (rows, n) => await test.put(n, { rows })));
    assert.equal(test.state.commits, 4);
  });

  it('of much are several transactions, too, unless one alone is larger', async () => {
    await using test = await batchUnderTest();
    const sizes = [100_000, 100_000, 100_000, 2_000_000, 10];
    await Promise.all(sizes.map(async (bytes, n) => await test.put(n, { bytes })));
    assert.equal(test.state.commits, 4);
  });

  it('that take long are several transactions, too, whatever they said of their size', async () => {
    await using test = await batchUnderTest();
    const slow = async (): Promise<void> => await test.batch.add(() => test.clock.pass(1));
    await Promise.all(Array.from({ length: 10 }, slow));
    assert.equal(test.state.commits, 5);
    await test.batch.add(() => test.clock.pass(1000));
    assert.equal(test.state.commits, 6);
  });

  it('wait while they are held, without holding up anybody, in their order', async () => {
    await using test = await batchUnderTest();
    const held = test.batch.hold();
    const told: number[] = [];
    const early = [2, 1].map(async (n) => await test.put(n, { locked: () => void told.push(n) }));
    await test.clock.untilSleeping();
    await test.clock.advance(50);
    const late = test.batch.add(() => assert.deepEqual(test.numbers(), [1, 2]));
    assert.deepEqual([test.numbers(), told], [[], []]);
    await test.clock.advance(200);
    assert.deepEqual([test.numbers(), told], [[], [2, 1]]);
    // That is no lock of somebody else's, and none that is given up.
    test.batch.hurry();
    await test.clock.advance(400_000);
    held[Symbol.dispose]();
    held[Symbol.dispose]();
    await Promise.all([...early, late]);
    await test.put(3);
    assert.deepEqual([test.numbers(), test.clock.sleeping], [[1, 2, 3], 0]);
  });

  it('are done before the end', async () => {
    const test = await batchUnderTest();
    const writes = Array.from({ length: 300 }, async (_, n) => await test.put(n));
    await test[Symbol.asyncDispose]();
    assert.deepEqual(
      await Promise.all(writes),
      Array.from({ length: 300 }, () => 1),
    );
  });
});

describe('writes to an index that another process has locked', () => {
  it('wait in their order without holding up anybody, who reads for one, and are done when it is free', async () => {
    await using test = await batchUnderTest();
    let writes: Promise<PromiseSettledResult<number>[]>;
    {
      using _lock = test.lock();
      const early = [test.put(3), test.put(1)];
      await test.clock.untilSleeping();
      writes = Promise.allSettled([...early, test.put(2), test.put(1)]);
      assert.deepEqual(test.numbers(), []);
      await test.clock.advance(1000);
    }
    await test.clock.advance(1000);
    assert.deepEqual(
      (await writes).map(({ status }) => status),
      ['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    );
    assert.deepEqual(test.numbers(), [1, 2, 3]);
    assert.equal(test.state.commits, 1);
  });

  it('are told of it when that takes long, those that come then at once, and are done all the same', async () => {
    await using test = await batchUnderTest();
    const told: number[] = [];
    const put = async (n: number) => await test.put(n, { locked: () => void told.push(n) });
    let writes: Promise<unknown>;
    {
      using _lock = test.lock();
      const first = put(1);
      await test.clock.untilSleeping();
      await test.clock.advance(50);
      assert.deepEqual(told, []);
      await test.clock.advance(200);
      assert.deepEqual(told, [1]);
      writes = Promise.all([first, put(2)]);
      assert.deepEqual(told, [1, 2]);
      await test.clock.advance(1000);
      assert.deepEqual(told, [1, 2]);
    }
    await test.clock.advance(1000);
    await writes;
    assert.deepEqual(test.numbers(), [1, 2]);
    await put(3);
    assert.deepEqual(told, [1, 2]);
  });

  it('fail when they have waited for minutes, each by itself', async () => {
    await using test = await batchUnderTest();
    let second: Promise<number>;
    {
      using _lock = test.lock();
      const first = test.put(1);
      await test.clock.untilSleeping();
      await test.clock.advance(200_000);
      second = test.put(2);
      await Promise.all([assert.rejects(first, StoreBusyError), test.clock.advance(100_000)]);
    }
    await test.clock.advance(1000);
    assert.equal(await second, 1);
    assert.deepEqual(test.numbers(), [2]);
  });

  it('fail within seconds when the end is near', async () => {
    await using test = await batchUnderTest();
    using _lock = test.lock();
    const write = test.put(1);
    await test.clock.untilSleeping();
    test.batch.hurry();
    await Promise.all([assert.rejects(write, StoreBusyError), test.clock.advance(2000)]);
  });

  it('are no more than memory has room for: what comes then fails at once', async () => {
    await using test = await batchUnderTest();
    let first: Promise<number>;
    {
      using _lock = test.lock();
      first = test.put(1, { bytes: 20 * 2 ** 20 });
      await assert.rejects(test.put(2), StoreBusyError);
    }
    assert.equal(await first, 1);
    assert.equal(await test.put(3), 1);
    assert.deepEqual(test.numbers(), [1, 3]);
  });

  it('are done at the end, whenever they would have been tried again', async () => {
    const test = await batchUnderTest();
    let write: Promise<number>;
    {
      using _lock = test.lock();
      write = test.put(1);
      await test.clock.untilSleeping();
    }
    await test[Symbol.asyncDispose]();
    assert.equal(await write, 1);
  });
});
