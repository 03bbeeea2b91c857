import assert from 'node:assert/strict';
import { watch } from 'node:fs';
import { cp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { parseDigest } from '#src/oci/reference.ts';
import { putManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');
const digestOf = (number: number) => parseDigest(`sha256:${number.toString(16).padStart(64, '0')}`);
const descriptorOf = (number: number) => ({ mediaType: 'x/y', digest: digestOf(number), size: 10 });
/** In the older index `alpine` has it. */
const small = parseDigest('sha256:ac9afd979d31d0d8b0aa0017baeb8d07867f4315c5da39b9569623b544081bef');
const many = 50_000;

const manyContents = `with recursive ids(id) as (select 1 union all select id + 1 from ids where id < ${many})
  insert into contents (digest) select 'sha256:' || printf('%064x', id * 2) from ids`;
/** Their names are more than SQLite sorts in memory. */
const manyRepositories = `with recursive ids(id) as (select 1 union all select id + 1 from ids where id < ${many})
  insert into blob_links select digest, 'docker.io/a/' || printf('%0200d', id)
  from ids, (select digest from blob_links limit 1)`;

function execute(path: string, sql: string): void {
  const database = new SqliteDatabase(path);
  database.exec(sql);
  database.close();
}

/** Names of files, which SQLite removes at once. */
async function madeInTheSystemsPlace(work: () => Promise<void>): Promise<readonly string[]> {
  await using place = await temporaryDirectory();
  const made: string[] = [];
  const end = Promise.withResolvers<void>();
  const watcher = watch(place.path, (_, name) => (name === 'end' ? end.resolve() : made.push(name ?? '')));
  const before = process.env['TMPDIR'] ?? '/tmp';
  process.env['TMPDIR'] = place.path;
  try {
    await work();
    await writeFile(join(place.path, 'end'), '');
    await end.promise;
  } finally {
    process.env['TMPDIR'] = before;
    watcher.close();
  }
  return made;
}

describe('an index on a system with no place for files that nobody keeps', () => {
  it('takes an image whose rows lie far apart', async () => {
    await using directory = await temporaryDirectory();
    await using store = await SqliteMetadataStore.open(directory.path);
    execute(store.path, manyContents);
    const blobs = Array.from({ length: 100 }, (_, at) => descriptorOf(1 + at * 800));
    const change = [putManifest(alpine, { descriptor: descriptorOf(1), blobs })];
    assert.deepEqual(await madeInTheSystemsPlace(async () => await store.change(change)), []);
  });

  it('is made from a large one of an earlier version', async () => {
    await using directory = await temporaryDirectory();
    await cp(join(import.meta.dirname, '../../fixtures/schema-1'), directory.path, { recursive: true });
    execute(join(directory.path, 'index.sqlite'), manyRepositories);
    const made = await madeInTheSystemsPlace(async () => {
      await using store = await SqliteMetadataStore.open(directory.path);
      assert.equal(await store.hasBlob(alpine, small), true);
    });
    assert.deepEqual(made, []);
  });
});
