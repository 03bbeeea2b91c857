import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import {
  type Change,
  type Changes,
  doubtTag,
  linkBlob,
  putManifest,
  putTag,
  tagIsGone,
} from '#src/storage/operation.ts';
import { ChangeLog } from '#src/storage/sqlite/change-log.ts';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');

/** Of one process among several on a directory. */
async function logOn(directory: string) {
  const { database } = await openDatabase(directory);
  const log = new ChangeLog(database);
  return {
    log,
    add(count: number): void {
      database.transaction(() => {
        for (let at = 0; at < count; at += 1) log.add('tag', alpine, `t${at}`);
      })();
    },
    count: () => Number(database.prepare('select count(*) from changes').pluck().get()),
    [Symbol.dispose]: () => void database.close(),
  };
}

describe('what others have changed', () => {
  it('is told once, in its order, and nothing of one’s own', async () => {
    await using directory = await temporaryDirectory();
    using here = await logOn(directory.path);
    using there = await logOn(directory.path);
    here.add(1);
    there.add(2);
    here.add(1);
    assert.deepEqual(here.log.news(), [
      { kind: 'tag', repository: alpine, tag: 't0' },
      { kind: 'tag', repository: alpine, tag: 't1' },
    ]);
    assert.deepEqual(here.log.news(), []);
  });

  it('is known though one has changed very much oneself meanwhile', async () => {
    await using directory = await temporaryDirectory();
    using here = await logOn(directory.path);
    using there = await logOn(directory.path);
    for (let turn = 0; turn < 4; turn += 1) {
      here.add(3000);
      assert.deepEqual(here.log.news(), []);
    }
    there.add(1);
    assert.deepEqual(here.log.news(), [{ kind: 'tag', repository: alpine, tag: 't0' }]);
    assert.ok(here.count() <= 11_000);
  });

  it('is told some at a time where it is much', async () => {
    await using directory = await temporaryDirectory();
    using here = await logOn(directory.path);
    using there = await logOn(directory.path);
    there.add(1200);
    const told = Array.from({ length: 3 }, () => [here.log.news().length, here.log.isBehind]);
    assert.deepEqual(told, [
      [500, true],
      [500, true],
      [200, false],
    ]);
  });

  it('is everything where more was changed than is kept', async () => {
    await using directory = await temporaryDirectory();
    using here = await logOn(directory.path);
    using there = await logOn(directory.path);
    there.add(12_000);
    assert.equal(here.log.news(), 'all');
    assert.deepEqual(here.log.news(), []);
    there.add(1);
    assert.equal(here.log.news().length, 1);
  });

  it('is told later where it cannot be read now', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    await using here = await SqliteMetadataStore.open(directory.path, { clock });
    await using there = await SqliteMetadataStore.open(directory.path);
    using other = closing(new SqliteDatabase(join(directory.path, 'index-3.sqlite')));
    const told: Changes[] = [];
    using _ = here.watch((changes) => void told.push(changes));
    const digest = sha256(Buffer.from('layer'));
    await there.change([linkBlob(alpine, digest)]);
    other.value.exec('alter table changes rename to gone');
    // Some looks fail meanwhile.
    for (let looks = 0; looks < 3; looks += 1) await clock.advance(400);
    other.value.exec('alter table gone rename to changes');
    assert.deepEqual(told, []);
    await clock.advance(400);
    assert.deepEqual(told, [[{ kind: 'blob', digest }]]);
  });

  it('are tags for which nothing vouches any more, told once', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    await using there = await SqliteMetadataStore.open(directory.path);
    const [v1, v2] = [parseTag('v1'), parseTag('v2')];
    const descriptor = { mediaType: 'x/y', digest: sha256(Buffer.from('manifest')), size: 8 };
    const tags = [v1, v2].map((tag) => putTag(alpine, { tag, descriptor, checkedAt: 1 }));
    await here.change([putManifest(alpine, { descriptor, blobs: [] }), ...tags]);
    const told: Change[] = [];
    using _ = here.watch((changes) => void (changes !== 'all' && told.push(...changes)));
    for (let times = 0; times < 2; times += 1)
      await there.change([doubtTag(alpine, v1), tagIsGone(alpine, v2, 9)]);
    await until(() => told.length > 0);
    assert.deepEqual(
      told,
      [v1, v2].map((tag) => ({ kind: 'tag', repository: alpine, tag })),
    );
  });

  it('are also owners of what was here before without one', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    await using there = await SqliteMetadataStore.open(directory.path);
    const told: Change[] = [];
    using _ = here.watch((changes) => void (changes !== 'all' && told.push(...changes)));
    const manifest = { mediaType: 'x/y', digest: sha256(Buffer.from('manifest')), size: 8 };
    await there.change([putManifest(alpine, { descriptor: manifest, blobs: [] })]);
    await there.change([linkBlob(alpine, manifest.digest, 8)]);
    await there.change([linkBlob(repository('docker.io/acme/other'), manifest.digest, 8)]);
    await until(() => told.length > 0);
    assert.deepEqual(told, [{ kind: 'blob', digest: manifest.digest }]);
  });

  it('are what an import brings, which clients may wait for: manifests, and blobs that others owned before', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    await using there = await SqliteMetadataStore.open(directory.path);
    const digest = sha256(Buffer.from('layer'));
    const told: Change[] = [];
    using _ = here.watch((changes) => void (changes !== 'all' && told.push(...changes)));
    await there.change([linkBlob(repository('docker.io/acme/other'), digest, 5)]);
    await until(() => told.length > 0);
    const manifest = { mediaType: 'x/y', digest: sha256(Buffer.from('manifest')), size: 8 };
    const image = { descriptor: manifest, blobs: [] };
    for (let times = 0; times < 2; times += 1)
      await there.change([linkBlob(alpine, digest, 5, 'import'), putManifest(alpine, image, 'import')]);
    await until(() => told.some(({ kind }) => kind === 'manifest'));
    assert.deepEqual(told, [
      { kind: 'blob', digest },
      { kind: 'blob', digest },
      { kind: 'manifest', repository: alpine, digest: manifest.digest },
    ]);
  });

  it('are known in their order, some at a time, however many they are', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    using there = await logOn(directory.path);
    const told: Changes[] = [];
    using _ = here.watch((changes) => void told.push(changes));
    there.add(3000);
    await until(() => told.flat().length >= 3000);
    const tags = (told.flat() as Change[]).map((change) => (change.kind === 'tag' ? change.tag : ''));
    assert.deepEqual(
      tags,
      Array.from({ length: 3000 }, (__, at) => `t${at}`),
    );
    assert.ok(told.every(({ length }) => length <= 500));
  });

  it('make known what was foreseen to be nowhere', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    await using there = await SqliteMetadataStore.open(directory.path);
    using _ = here.watch(() => {});
    const digest = sha256(Buffer.from('layer'));
    assert.deepEqual(await here.foresee([digest]), new Set([digest]));
    await there.change([linkBlob(alpine, digest, 5)]);
    await until(async () => await here.hasBlob(alpine, digest));
    assert.equal(await here.blobSize(digest), 5);
  });

  it('are not foreseen where nobody is told of them', async () => {
    await using directory = await temporaryDirectory();
    await using here = await SqliteMetadataStore.open(directory.path);
    await using there = await SqliteMetadataStore.open(directory.path);
    const digest = sha256(Buffer.from('layer'));
    await here.foresee([digest]);
    await there.change([linkBlob(alpine, digest, 5)]);
    assert.equal(await here.hasBlob(alpine, digest), true);
  });
});

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, 'it never is so');
    await sleep(20);
  }
}

function closing(value: Database) {
  return { value, [Symbol.dispose]: () => void value.close() };
}
