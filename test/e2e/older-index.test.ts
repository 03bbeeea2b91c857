import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { olderCache } from './support/older-cache.ts';
import { until } from './support/until.ts';

describe('a server that finds the index of an older version', () => {
  it('answers that it lives and is not ready while it waits for it, and ends when it is told to', async () => {
    await using cache = await olderCache(100);
    const older = new SqliteDatabase(join(cache.v1, 'index.sqlite'));
    older.pragma('locking_mode = EXCLUSIVE');
    older.exec('begin immediate; rollback');
    try {
      await using server = cache.start();
      await until('it says what it waits for', async () => {
        const ready = await cache.ask('readyz');
        return ready?.status === 503 && /in use by an older server .*: stop that one$/.test(ready.reason);
      });
      assert.equal((await cache.ask('livez'))?.status, 200);
      assert.deepEqual(await server.stop(), { code: null, signal: 'SIGTERM' });
    } finally {
      older.close();
    }
  });
});
