import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { WriteBatch } from '#src/storage/sqlite/write-batch.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

async function batchUnderTest() {
  const directory = await temporaryDirectory();
  const { database } = await openDatabase(directory.path);
  database.exec('create table t (n integer primary key)');
  const state = { commits: 0 };
  const batch = new WriteBatch(database, () => (state.commits += 1));
  const insert = database.prepare<[number]>('insert into t values (?)');
  const numbers = database.prepare<[], { n: number }>('select n from t order by n');
  return {
    batch,
    state,
    put: async (n: number) => await batch.add(() => insert.run(n).changes),
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
