import assert from 'node:assert/strict';
import { test } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { addMissing } from '../../../src/storage/sqlite/additions.ts';

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
