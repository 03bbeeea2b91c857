import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { parseTag } from '#src/oci/reference.ts';
import { networkFileSystem, networkFileSystemOf } from '#src/storage/file/network-file-system.ts';
import { type Changes, putManifest, putTag } from '#src/storage/operation.ts';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');

describe('the index', () => {
  it('is shared by several processes of one machine', async () => {
    await using directory = await temporaryDirectory();
    await using one = await SqliteMetadataStore.open(directory.path);
    await using other = await SqliteMetadataStore.open(directory.path);
    const descriptor = { mediaType: 'x/y', digest: `sha256:${'a'.repeat(64)}` as never, size: 1 };
    await one.change([putManifest(alpine, { descriptor, blobs: [] })]);
    await one.change([putTag(alpine, { tag: parseTag('v1'), descriptor, checkedAt: 1 })]);
    assert.deepEqual(await other.listTags(alpine), ['v1']);
  });

  it('that cannot be read for a while ends no process, and what was changed meanwhile is told afterwards', async () => {
    await using directory = await temporaryDirectory();
    await using one = await SqliteMetadataStore.open(directory.path);
    const told = Promise.withResolvers<Changes>();
    using _ = one.watch((changes) => told.resolve(changes));
    const other = new SqliteDatabase(one.path);
    other.exec("insert into changes (writer, kind, reference) values ('other', 'blob', 'sha256:a')");
    other.exec('alter table changes rename to away');
    await setTimeout(700);
    other.exec('alter table away rename to changes');
    other.close();
    assert.deepEqual(await told.promise, [{ kind: 'blob', digest: 'sha256:a' }]);
  });

  it('waits for a process that has it to itself, and lets others go on meanwhile', async () => {
    await using directory = await temporaryDirectory();
    const one = await SqliteMetadataStore.open(directory.path, { sharing: 'alone' });
    const opening = SqliteMetadataStore.open(directory.path);
    await one[Symbol.asyncDispose]();
    await using other = await opening;
    assert.deepEqual(await other.listTags(alpine), []);
  });

  it('is one process’s alone where the file system is another machine’s, and says so to the second', async () => {
    await using directory = await temporaryDirectory();
    await using one = await SqliteMetadataStore.open(directory.path, { sharing: 'alone' });
    assert.deepEqual(await one.listTags(alpine), []);
    await assert.rejects(
      openDatabase(directory.path, 'alone', { busyMs: 10 }),
      /index-3\.sqlite is in use by another process/,
    );
    await assert.rejects(
      openDatabase(directory.path, 'shared', { busyMs: 10 }),
      /index-3\.sqlite is in use by another process/,
    );
  });
});

describe('a network file system', () => {
  it('is known by its number, also where that came out negative', () => {
    assert.equal(networkFileSystemOf(0x6969), 'NFS');
    assert.equal(networkFileSystemOf(0xff534d42 | 0), 'CIFS');
    assert.equal(networkFileSystemOf(0xef53), undefined);
  });

  it('is not what tests write to', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(await networkFileSystem(directory.path), undefined);
  });
});
