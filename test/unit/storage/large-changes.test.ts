import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { setImmediate, setTimeout } from 'node:timers/promises';
import SqliteDatabase from 'better-sqlite3';
import { type Digest, parseDigest, parseTag } from '#src/oci/reference.ts';
import { putManifest, putTag, putTagList, removeManifest } from '#src/storage/operation.ts';
import { Checkpoints } from '#src/storage/sqlite/checkpoints.ts';
import { openDatabase } from '#src/storage/sqlite/open-database.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const alpine = repository('docker.io/library/alpine');

function descriptorOf(at: number) {
  const digest: Digest = parseDigest(`sha256:${at.toString(16).padStart(64, '0')}`);
  return { mediaType: 'x/y', digest, size: 1 };
}

async function storeUnderTest() {
  const directory = await temporaryDirectory();
  const store = await SqliteMetadataStore.open(directory.path);
  const other = new SqliteDatabase(store.path, { readonly: true });
  return {
    store,
    /** What is committed, as somebody else sees it. */
    count: (table: string) => Number(other.prepare(`select count(*) from ${table}`).pluck().get()),
    async [Symbol.asyncDispose]() {
      other.close();
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** What is seen at each turn of the event loop until it is done. */
async function seenWhile(work: Promise<unknown>, look: () => number): Promise<number[]> {
  const seen: number[] = [];
  const state = { isDone: false };
  const done = work.finally(() => (state.isDone = true));
  while (!state.isDone) {
    seen.push(look());
    await setImmediate();
  }
  await done;
  return [...new Set(seen)];
}

function mostAtOnce(seen: readonly number[]): number {
  return Math.max(...seen.slice(1).map((count, at) => Math.abs(count - (seen[at] ?? 0))));
}

describe('a change that is about very much', () => {
  it('makes many new blobs known some at a time, and the manifest that names them at once', async () => {
    await using it = await storeUnderTest();
    const blobs = Array.from({ length: 1000 }, (_, at) => descriptorOf(at + 2));
    const manifests: number[] = [];
    const seen = await seenWhile(
      it.store.change([putManifest(alpine, { descriptor: descriptorOf(1), blobs })]),
      () => {
        manifests.push(it.count('manifests') * 1000 + it.count('children'));
        return it.count('contents');
      },
    );
    assert.ok(seen.length > 5 && mostAtOnce(seen) <= 256, seen.join());
    assert.deepEqual([...new Set(manifests)].slice(0, 1), [0]);
    assert.deepEqual([it.count('children'), it.count('wanted')], [1000, 1000]);
  });

  it('takes many tags from a manifest some at a time before it removes it, and leaves none', async () => {
    await using it = await storeUnderTest();
    const descriptor = descriptorOf(1);
    await it.store.change([putManifest(alpine, { descriptor, blobs: [] })]);
    for (let slice = 0; slice < 10; slice += 1) {
      const tags = Array.from({ length: 100 }, (_, at) => parseTag(`v${slice * 100 + at}`));
      await it.store.change(tags.map((tag) => putTag(alpine, { tag, descriptor, checkedAt: 1 })));
    }
    const seen = await seenWhile(it.store.change([removeManifest(alpine, descriptor.digest)]), () =>
      it.count('tags'),
    );
    assert.ok(seen.length > 5 && mostAtOnce(seen) <= 100, seen.join());
    assert.deepEqual([it.count('tags'), it.count('manifests'), it.count('tag_history')], [0, 0, 1000]);
  });
});

describe('the log of the index', () => {
  it('is brought into the file and begun anew when it is long, by a thread of its own', async () => {
    await using it = await storeUnderTest();
    const giveUpAt = Date.now() + 20_000;
    // By itself SQLite never makes it shorter.
    for (let longest = 0, length = 0; length >= longest; await setTimeout(50)) {
      longest = length;
      const items = Array.from({ length: 10_000 }, (_, at) =>
        parseTag(`tag-${length}-${at}`.padEnd(120, 'x')),
      );
      await it.store.change([putTagList(alpine, { items, checkedAt: Date.now() })]);
      ({ size: length } = await stat(`${it.store.path}-wal`));
      assert.ok(Date.now() < giveUpAt, 'it is as long as it was');
    }
    const checkedAt = Date.now();
    await it.store.change([putTagList(alpine, { items: [], checkedAt })]);
    assert.deepEqual(await it.store.getTagList(alpine), { items: [], checkedAt });
  });

  it('is begun anew while this process holds what it would write to it', async () => {
    await using directory = await temporaryDirectory();
    const { database, path } = await openDatabase(directory.path);
    const [held, letGo] = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
    const length = (): number => statSync(`${path}-wal`).size;
    const hold = (): Disposable => {
      held.resolve(length());
      return { [Symbol.dispose]: () => letGo.resolve(length()) };
    };
    {
      await using checkpoints = new Checkpoints(path, hold);
      database.exec(`create table large (bytes); insert into large values (randomblob(${8 * 2 ** 20}))`);
      for (let commits = 0; commits < 8; commits += 1) checkpoints.committed();
      assert.ok((await held.promise) > 8 * 2 ** 20);
      assert.ok((await letGo.promise) < 2 ** 20);
    }
    database.close();
  });

  it('holds nothing any more where the thread that begins it anew has ended', async () => {
    await using directory = await temporaryDirectory();
    const { database, path } = await openDatabase(directory.path);
    let holds = 0;
    const held = Promise.withResolvers<void>();
    const checkpoints = new Checkpoints(path, () => {
      holds += 1;
      held.resolve();
      return {
        [Symbol.dispose]: () => {
          holds -= 1;
        },
      };
    });
    database.exec(`create table large (bytes); insert into large values (randomblob(${8 * 2 ** 20}))`);
    for (let commits = 0; commits < 8; commits += 1) checkpoints.committed();
    await held.promise;
    await checkpoints[Symbol.asyncDispose]();
    assert.equal(holds, 0);
    database.close();
  });
});
