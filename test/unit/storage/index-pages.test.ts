import assert from 'node:assert/strict';
import { it } from 'node:test';
import Database from 'better-sqlite3';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { temporaryDirectory } from '#test/e2e/support/temporary-directory.ts';

it('an index holds as many of its pages in memory as it is told, where SQLite would hold 16 MB in the smallest container', async (t) => {
  await using directory = await temporaryDirectory();
  const pragma = t.mock.method(Database.prototype, 'pragma');
  await using _ = await SqliteMetadataStore.open(directory.path, { indexPages: 2_340_000 });
  const [last] = pragma.mock.calls.filter(({ arguments: [text] }) => text.startsWith('cache_size'));
  assert.equal(last?.arguments[0], 'cache_size = -2286');
  const database = last.this as Database.Database | undefined;
  assert.equal(database?.pragma('cache_size', { simple: true }), -2286);
});
