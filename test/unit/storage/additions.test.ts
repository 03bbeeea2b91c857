import assert from 'node:assert/strict';
import { test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { addMissing, standInForMissing } from '../../../src/storage/sqlite/additions.ts';
import { prepareClients } from '../../../src/storage/sqlite/client-writer.ts';
import { prepareGraph } from '../../../src/storage/sqlite/graph-statements.ts';
import { prepareNames } from '../../../src/storage/sqlite/known-names.ts';
import { prepareRemovals } from '../../../src/storage/sqlite/removal-statements.ts';
import { prepareRestore } from '../../../src/storage/sqlite/restore-writer.ts';
import { schema } from '../../../src/storage/sqlite/schema.ts';
import { prepareInventory } from '../../../src/storage/sqlite/sqlite-inventory.ts';
import { prepareReads } from '../../../src/storage/sqlite/statements.ts';
import { prepareWrites } from '../../../src/storage/sqlite/write-statements.ts';

const additions = [
  { table: 'leases', make: 'create table leases (holder text)' },
  { table: 'images', column: 'days', make: 'alter table images add column days integer not null default 1' },
];

test('what an index lacks is made, and rows that were there keep what they had', () => {
  using database = opened();
  addMissing(database, additions);
  assert.deepEqual(database.prepare('select * from images').all(), [{ name: 'alpine', days: 1 }]);
  assert.deepEqual(database.prepare('select * from leases').all(), []);
});

test('where nothing is missing nothing is written, though the file may not be', () => {
  using database = opened();
  addMissing(database, additions);
  database.pragma('query_only = ON');
  addMissing(database, additions);
});

test('what there is no room for is stood in for by what is empty, and a column is not', () => {
  using database = opened();
  database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true }))}`);
  const [table, column] = additions.map((addition) => [addition]);
  assert.ok(table && column);
  assert.throws(() => addMissing(database, table), { code: 'SQLITE_FULL' });
  assert.equal(standInForMissing(database, table), true);
  assert.equal(standInForMissing(database, column), false);
  database.pragma('query_only = ON');
  assert.deepEqual(database.prepare('select * from leases').all(), []);
  assert.deepEqual(database.prepare('select * from images').all(), [{ name: 'alpine' }]);
});

test('all that the index has gained can be stood in for', () => {
  using database = opened();
  database.exec(schema);
  assert.equal(standInForMissing(database), true);
  for (const prepare of [
    prepareReads,
    prepareWrites,
    prepareRemovals,
    prepareGraph,
    prepareInventory,
    prepareClients,
  ])
    prepare(database);
  for (const prepare of [prepareNames, prepareRestore]) prepare(database);
  addMissing(database);
  assert.deepEqual(database.prepare("select name from sqlite_schema where name = 'leases'").all(), []);
});

test('what fails in the middle leaves nothing', () => {
  using database = opened();
  const broken = [...additions, { table: 'pins', make: 'create table pins (' }];
  assert.throws(() => addMissing(database, broken), /incomplete input/);
  assert.throws(() => database.prepare('select * from leases'), /no such table/);
});

function opened(): SqliteDatabase.Database & Disposable {
  const database = new SqliteDatabase(':memory:');
  database.exec("create table images (name text); insert into images values ('alpine')");
  return Object.assign(database, { [Symbol.dispose]: () => void database.close() });
}
