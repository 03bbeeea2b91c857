import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { sha256 } from '#src/oci/digest.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');
const digest = sha256(Buffer.from('layer'));
const descriptor = { mediaType: 'x/y', digest: sha256(Buffer.from('image')), size: 5 };

/** An index as the version before wrote it: without what version 2 added. */
async function ofSchema1(directory: string): Promise<string> {
  const path = join(directory, 'index.sqlite');
  {
    await using store = await SqliteMetadataStore.open(directory);
    await store.linkBlob(alpine, digest);
    await store.putManifest(alpine, { descriptor, blobs: [{ ...descriptor, digest, size: 4 }] });
  }
  using database = closing(path);
  database.value.exec('drop table blob_sizes; pragma user_version = 1');
  return path;
}

function closing(path: string) {
  const value = new SqliteDatabase(path);
  return { value, [Symbol.dispose]: () => value.close() };
}

describe('an index of schema 1', () => {
  it('opens with all that it knew; of what it stored no size is known, and of what comes it is', async () => {
    await using directory = await temporaryDirectory();
    await ofSchema1(directory.path);
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.equal(await store.hasBlob(alpine, digest), true);
    assert.equal((await store.getManifest(alpine, descriptor.digest))?.size, 5);
    assert.equal(await store.blobSize(digest), undefined);
    assert.deepEqual(await store.claimedSizes(alpine, digest), [4]);
    await store.linkBlob(alpine, digest, 5);
    assert.equal(await store.blobSize(digest), 5);
    assert.equal((await store.countContent()).blobBytes, 5);
  });

  it('may be brought up to date under a process that works with it', async () => {
    await using directory = await temporaryDirectory();
    const path = await ofSchema1(directory.path);
    using older = closing(path);
    await using store = await SqliteMetadataStore.open(directory.path);
    older.value.prepare('insert into blob_links values (?, ?)').run(digest, 'docker.io/acme/other');
    assert.equal(await store.hasBlob(repository('docker.io/acme/other'), digest), true);
  });
});
