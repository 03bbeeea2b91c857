import assert from 'node:assert/strict';
import { readdirSync, readlinkSync } from 'node:fs';
import { describe, it } from 'node:test';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** Files without a name any more: SQLite removes its own as soon as they are open. */
function temporaryFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return / \(deleted\)$/.test(path) ? [path] : [];
    } catch {
      return [];
    }
  });
}

describe('the index in a container whose root is read-only', { skip: process.platform !== 'linux' }, () => {
  it('needs no temporary file: not for a change of many pages, nor to sort many rows', async () => {
    await using directory = await temporaryDirectory();
    const { database } = await openDatabase(directory.path);
    try {
      database.exec(`create table t (n integer primary key, text text);
        with recursive ids(n) as (select 1 union all select n + 1 from ids where n < 100000)
          insert into t select n, printf('%0200d', n) from ids`);
      const sort = database.prepare('select text from t order by text desc').iterate();
      sort.next();
      assert.deepEqual(temporaryFiles(), []);
      sort.return?.();
      const change = database.transaction(() => {
        database.exec(`update t set text = 'x'`);
        assert.deepEqual(temporaryFiles(), []);
      });
      // Inside another, so that it is a savepoint, which each change of a batch is.
      database.transaction(() => change())();
    } finally {
      database.close();
    }
  });
});
