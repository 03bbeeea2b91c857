import assert from 'node:assert/strict';
import { cp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { sha256 } from '#src/oci/digest.ts';
import { hostOf, parseDigest, parseTag } from '#src/oci/reference.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import type { MetadataStore } from '#src/storage/metadata-store.ts';
import { linkBlob } from '#src/storage/operation.ts';
import { openDatabase, openOlder, refuseNewer } from '#src/storage/sqlite/open-database.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { identityOf, type Progress, takeOver } from '#src/storage/sqlite/take-over.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** A cache as commit fabdb7a left it: two images, of which the second has been pulled in part. */
const fixture = join(import.meta.dirname, '../../fixtures/schema-1');
const alpine = repository('docker.io/library/alpine');
const tool = repository('quay.io/acme/tool');
const small = parseDigest('sha256:ac9afd979d31d0d8b0aa0017baeb8d07867f4315c5da39b9569623b544081bef');

async function olderCache() {
  const directory = await temporaryDirectory();
  await cp(fixture, directory.path, { recursive: true });
  return directory;
}

function closing(path: string) {
  const value = new SqliteDatabase(path);
  return { value, [Symbol.dispose]: () => value.close() };
}

/** Names of what an index leaves in its directory. */
async function names(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.startsWith('index'));
}

/** Leaves the directory as a process does that is ended after so many parts, or before it gives its name to what is whole. */
function endedAfter(parts: number, directory: string): Progress & { readonly isWhole: boolean } {
  using partial = closing(join(directory, 'index-3.sqlite.partial'));
  const older = join(directory, 'index.sqlite');
  partial.value.pragma('journal_mode = WAL');
  const identity = identityOf(older);
  partial.value.prepare('attach ? as older').run(older);
  let progress: Progress = { done: 0, total: 0 };
  const work = takeOver(partial.value, identity);
  for (let part = 0; part < parts; part += 1) {
    const { done, value } = work.next();
    if (done) return { ...progress, isWhole: true };
    progress = value;
  }
  return { ...progress, isWhole: false };
}

/** All that an index of the directory says that does not depend on the moment. */
async function known(directory: string, says?: (what: string) => void): Promise<unknown> {
  await using store = await SqliteMetadataStore.open(directory, { opening: { says } });
  const wanted = await store.listWantedBlobs({ limit: 10 });
  const tags = await Array.fromAsync(store.listNames());
  return {
    wanted,
    tags,
    totals: await store.inventory.totals(),
    images: await store.inventory.images({ limit: 10 }),
  };
}

async function openedWhen(free: () => void, directory: string) {
  const said = Promise.withResolvers<void>();
  const opening = openDatabase(directory, 'shared', { says: () => said.resolve() });
  await said.promise;
  free();
  return await opening;
}

describe('a directory of schema 1', () => {
  it('opens with all that it knew', async () => {
    await using directory = await olderCache();
    await using store = await SqliteMetadataStore.open(directory.path);
    await using blobs = await FileBlobStore.open({ directory: directory.path });
    assert.deepEqual(await store.listRepositories({ limit: 10 }), [alpine, tool]);
    const tag = (await store.getTag(alpine, parseTag('v1'))) ?? assert.fail();
    const { digest } = tag.descriptor;
    assert.equal((await store.getManifest(alpine, digest))?.size, (await blobs.stat(digest))?.size);
    assert.deepEqual(await store.listMissingBlobs(alpine, digest, 10), []);
    assert.deepEqual((await store.getTagList(alpine))?.items, ['v1']);
    assert.deepEqual((await store.getReferrersList(alpine, digest))?.items, []);
    assert.equal(await store.hasBlob(alpine, small), true);
    assert.equal(await store.hasBlob(tool, small), true);
    assert.deepEqual(await store.listManifestsOf(alpine, small, 10), [digest]);
  });

  it('says what is wanted, and counts what is there; of what it stored no size is known, and of what comes it is', async () => {
    await using directory = await olderCache();
    await using store = await SqliteMetadataStore.open(directory.path);
    const wanted = await store.listWantedBlobs({ limit: 10 });
    assert.deepEqual([...new Set(wanted.map((blob) => blob.repository))], [tool]);
    assert.equal(wanted.length, 2);
    assert.equal(await store.blobSize(small), undefined);
    assert.deepEqual(await store.claimedSizes(alpine, small), [50]);
    const { manifests, blobs, blobBytes, registries } = await store.inventory.totals();
    assert.deepEqual([manifests, blobs, blobBytes], [2, 3, 0]);
    assert.deepEqual(
      [...registries].map(([host, totals]) => [host, totals.blobs]),
      [
        ['docker.io', 3],
        ['quay.io', 1],
      ],
    );
    await store.change([linkBlob(alpine, small, 50)]);
    assert.equal(await store.blobSize(small), 50);
    assert.equal((await store.inventory.totals()).blobBytes, 50);
  });

  it('is left as it was, so that the earlier version starts again, also while that is running', async () => {
    await using directory = await olderCache();
    const path = join(directory.path, 'index.sqlite');
    const before = await readFile(path);
    {
      await using store = await SqliteMetadataStore.open(directory.path);
      await store.change([linkBlob(repository('docker.io/acme/new'), small, 50)]);
    }
    assert.ok((await readFile(path)).equals(before));
    using older = closing(path);
    older.value.prepare('insert into blob_links values (?, ?)').run(small, 'docker.io/acme/other');
    // What the earlier version learns from now on is its own.
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.equal(await store.hasBlob(repository('docker.io/acme/other'), small), false);
    assert.equal(await store.hasBlob(repository('docker.io/acme/new'), small), true);
  });

  it('is taken over once by several processes at a time', async () => {
    await using directory = await olderCache();
    await using one = await SqliteMetadataStore.open(directory.path);
    await using other = await SqliteMetadataStore.open(directory.path);
    assert.deepEqual(await one.inventory.totals(), await other.inventory.totals());
  });

  it('is taken over by one of several processes at the same moment', async () => {
    await using directory = await olderCache();
    const [one, other] = await Promise.all([
      SqliteMetadataStore.open(directory.path),
      SqliteMetadataStore.open(directory.path),
    ]);
    assert.deepEqual(await one.inventory.totals(), await other.inventory.totals());
    await one[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    assert.deepEqual(await names(directory.path), ['index-3.sqlite', 'index.sqlite']);
  });

  it('is waited for while another process takes it over, however long', async () => {
    await using directory = await olderCache();
    using other = closing(join(directory.path, 'index-3.sqlite.lock'));
    other.value.exec('begin exclusive');
    const said = Promise.withResolvers<string>();
    const opening = openDatabase(directory.path, 'shared', { heldMs: 0, says: (what) => said.resolve(what) });
    assert.match(await said.promise, /^another server is taking over \/.*\/index\.sqlite: waiting for it$/);
    other.value.exec('rollback');
    const { database } = await opening;
    database.close();
  });

  it('is waited for while an older server has it for itself, who is named, and not for ever', async () => {
    await using directory = await olderCache();
    using older = closing(join(directory.path, 'index.sqlite'));
    older.value.pragma('locking_mode = EXCLUSIVE');
    older.value.exec('begin immediate; rollback');
    const said: string[] = [];
    const opening = { heldMs: 300, says: (what: string) => void said.push(what) };
    await assert.rejects(
      openDatabase(directory.path, 'shared', opening),
      /\/index\.sqlite is in use by an older server .*: stop that one, then start this one again$/,
    );
    assert.match(said[0] ?? '', /: stop that one$/);
    const { database } = await openedWhen(() => older.value.close(), directory.path);
    database.close();
  });

  it('is left alone by a process that takes over from it, which an older server may go on with', async () => {
    await using directory = await olderCache();
    using older = closing(join(directory.path, 'index.sqlite'));
    older.value.prepare('select count(*) from tags').get();
    await using store = await SqliteMetadataStore.open(directory.path);
    older.value.prepare('insert into blob_links values (?, ?)').run(small, 'docker.io/acme/other');
    assert.deepEqual(await store.listRepositories({ limit: 10 }), [alpine, tool]);
  });

  it('is taken over by the next process from where one was ended, at whichever part that was', async () => {
    await using whole = await olderCache();
    const expected = await known(whole.path);
    for (let ended = 0; ended <= 20; ended += 1) {
      await using directory = await olderCache();
      const before = endedAfter(ended, directory.path);
      const said: string[] = [];
      assert.deepEqual(await known(directory.path, (what) => void said.push(what)), expected);
      const [, first = before.total, total] = /: (\d+) of (\d+)$/.exec(said[1] ?? '') ?? [];
      assert.ok(ended === 0 || Number(total ?? before.total) === before.total);
      // What is whole does not say what it was made from.
      const isAnew = ended === 0 || before.isWhole;
      assert.ok(isAnew || Number(first) >= before.done, `${said[1]} after ${before.done}`);
      assert.deepEqual(await names(directory.path), ['index-3.sqlite', 'index.sqlite']);
    }
  });

  for (const [when, parts] of [
    ['after some parts', 8],
    ['before it gave its name to what was whole', 100],
  ] as const) {
    it(`is taken over anew where one was ended ${when} and an older server has written to it since`, async () => {
      await using directory = await olderCache();
      assert.equal(endedAfter(parts, directory.path).isWhole, parts === 100);
      {
        using older = closing(join(directory.path, 'index.sqlite'));
        older.value.prepare('insert into blob_links values (?, ?)').run(small, 'docker.io/acme/other');
      }
      await using store = await SqliteMetadataStore.open(directory.path);
      assert.equal(await store.hasBlob(repository('docker.io/acme/other'), small), true);
    });
  }

  it('is consistent whenever an older server writes to it meanwhile', async () => {
    const digests = ['manifest', 'one', 'two', 'three'].map((text) => sha256(Buffer.from(text)));
    const [manifest, ...blobs] = digests;
    for (let parts = 0; parts <= 26; parts += 1) {
      await using directory = await olderCache();
      const older = join(directory.path, 'index.sqlite');
      using made = closing(':memory:');
      made.value.prepare('attach ? as older').run(older);
      const work = takeOver(made.value, 'older');
      for (let part = 0; part < parts; part += 1) work.next();
      {
        using server = closing(older);
        // A blob that an image lacked comes; and another image, of which one blob is here.
        server.value.exec(`insert into blob_links select blob, repository from manifest_blobs
          where true on conflict do nothing`);
        server.value
          .prepare("insert into manifests values ('a.io/new', ?, 'm', 5, null, null, null, 0, 1, 1)")
          .run(manifest);
        for (const blob of blobs)
          server.value
            .prepare("insert into manifest_blobs values ('a.io/new', ?, ?, 'm', 7)")
            .run(manifest, blob);
        server.value.prepare("insert into blob_links values (?, 'a.io/new')").run(blobs[0]);
      }
      Array.from(work);
      const count = (sql: string): unknown => made.value.prepare(`select count(*) from ${sql}`).pluck().get();
      const link = 'select 1 from links l where l.content = k.child and l.repository = k.repository';
      const here = 'select 1 from contents c where c.id = k.child and c.stored_at is not null';
      const lacks = `not (exists (${link}) and exists (${here}))`;
      const wanted =
        'exists (select 1 from wanted w where w.content = k.child and w.repository = k.repository)';
      const stored =
        'select distinct content from links l join contents c on c.id = l.content and stored_at is not null';
      assert.deepEqual(
        {
          images: count(
            'manifests m where 3 <> (select count(*) from children k where k.manifest = m.content)',
          ),
          wanted: count(`children k where ${lacks} <> ${wanted}`),
          links: count('links l join contents c on c.id = l.content where stored_at is null'),
          totals: made.value.prepare("select blobs from totals where host = ''").pluck().get(),
        },
        { images: 0, wanted: 0, links: 0, totals: count(`(${stored})`) },
        `after ${parts} parts`,
      );
    }
  });

  it('is taken over though an earlier release was ended while it did so', async () => {
    await using directory = await olderCache();
    {
      using unfinished = closing(join(directory.path, 'index-3.sqlite'));
      unfinished.value.pragma('journal_mode = WAL');
    }
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.deepEqual(await store.listRepositories({ limit: 10 }), [alpine, tool]);
  });

  it('says the same where it is read as it is', async () => {
    await using directory = await olderCache();
    await using older = (await openOlder(directory.path, 'shared')) ?? assert.fail();
    await using store = await SqliteMetadataStore.open(directory.path);
    const { digest } = (await store.getTag(alpine, parseTag('v1')))?.descriptor ?? assert.fail();
    for (const read of [
      async (index: MetadataStore) => await index.listRepositories({ limit: 10 }),
      async (index: MetadataStore) => await index.getTag(alpine, parseTag('v1')),
      async (index: MetadataStore) => await index.getManifest(alpine, digest),
      async (index: MetadataStore) => await index.listTags(alpine),
      async (index: MetadataStore) => await Array.fromAsync(index.listNames()),
      async (index: MetadataStore) => await index.listReferrers(alpine, digest),
      async (index: MetadataStore) => await index.getTagList(alpine),
      async (index: MetadataStore) => await index.getReferrersList(alpine, digest),
      async (index: MetadataStore) => [await index.hasBlob(alpine, small), await index.hasBlob(tool, digest)],
      async (index: MetadataStore) => await index.hasBlobOnHost(hostOf(tool), small),
      async (index: MetadataStore) => [await index.blobSize(small), await index.claimedSizes(alpine, small)],
      async (index: MetadataStore) => await index.listManifestsOf(alpine, small, 10),
      async (index: MetadataStore) => await index.listMissingBlobs(alpine, digest, 10),
      async (index: MetadataStore) => await index.listMissingBlobs(alpine, small, 10),
    ])
      assert.deepEqual(await read(older), await read(store));
    await assert.rejects(older.change(), StoreFullError);
  });

  it('that is damaged is named by its own name', async () => {
    await using directory = await olderCache();
    const path = join(directory.path, 'index.sqlite');
    await writeFile(path, 'this is no database '.repeat(500));
    await assert.rejects(
      SqliteMetadataStore.open(directory.path),
      /\/index\.sqlite is damaged .* the next start/,
    );
    await rm(path);
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.deepEqual(await store.listRepositories({ limit: 10 }), []);
  });
});

describe('a directory whose older index is damaged', () => {
  it('is opened when the file that the start names was moved away', async () => {
    await using directory = await olderCache();
    const path = join(directory.path, 'index.sqlite');
    const bytes = await readFile(path);
    await writeFile(path, bytes.fill(0xa5, 4096));
    await assert.rejects(SqliteMetadataStore.open(directory.path), (error: Error) => {
      assert.ok(error.message.startsWith(`${path} is damaged (SQLITE_CORRUPT`), error.message);
      return true;
    });
    await rm(path);
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.deepEqual(await store.listRepositories({ limit: 10 }), []);
  });
});

describe('a directory of schema 2', () => {
  it('keeps the sizes that were verified', async () => {
    await using directory = await olderCache();
    {
      using older = closing(join(directory.path, 'index.sqlite'));
      older.value.exec(
        'create table blob_sizes (digest text not null primary key, size integer not null) without rowid; pragma user_version = 2',
      );
      older.value.prepare('insert into blob_sizes values (?, 50)').run(small);
    }
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.equal(await store.blobSize(small), 50);
    assert.equal((await store.inventory.totals()).blobBytes, 50);
  });
});

describe('a directory of a newer version', () => {
  it('stops the start with a sentence, and is not touched', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'index-4.sqlite'), 'not ours to read');
    await assert.rejects(
      SqliteMetadataStore.open(directory.path),
      /was written by a newer ociregistry \(index-4\.sqlite\)/,
    );
    assert.deepEqual(await readdir(directory.path), ['index-4.sqlite']);
  });

  it('is none where another process has just made the index of this one', async () => {
    await using directory = await temporaryDirectory();
    await writeFile(join(directory.path, 'index-3.sqlite'), '');
    await refuseNewer(directory.path);
  });

  it('is opened by what this version knows of it, if it has been here before', async () => {
    await using directory = await temporaryDirectory();
    {
      await using store = await SqliteMetadataStore.open(directory.path);
      await store.change([linkBlob(alpine, sha256(Buffer.from('layer')), 5)]);
    }
    await writeFile(join(directory.path, 'index-4.sqlite'), 'not ours to read');
    await using store = await SqliteMetadataStore.open(directory.path);
    assert.equal(await store.blobSize(sha256(Buffer.from('layer'))), 5);
  });

  it('whose older file this version does not know either is refused', async () => {
    await using directory = await olderCache();
    using older = closing(join(directory.path, 'index.sqlite'));
    older.value.pragma('user_version = 7');
    await assert.rejects(SqliteMetadataStore.open(directory.path), /index\.sqlite is of schema 7/);
    await rm(join(directory.path, 'index-3.sqlite'), { force: true });
  });
});
