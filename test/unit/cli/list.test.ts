import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { type ListOrder, list } from '#src/cli/list.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseDigest, parseTag, type RepositoryName } from '#src/oci/reference.ts';
import { linkBlob, pinTag, putManifest, putTag, recordUses } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const order: ListOrder = { output: 'table', header: false, pattern: '', shortDigest: false, wide: false };

async function printed(imagePath: string, changes: Partial<ListOrder> = {}): Promise<string> {
  const stdout = new PassThrough();
  const output = text(stdout);
  await list(imagePath, { ...order, ...changes }, stdout);
  stdout.end();
  return await output;
}

function digestOf(seed: number): Digest {
  return parseDigest(`sha256:${seed.toString(16).padStart(64, '0')}`);
}

/** A directory that a server has open, in which images can be put. */
async function cached() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const v1 = join(directory.path, 'v1');
  await mkdir(v1);
  const clock = new FakeClock();
  const store = stack.use(await SqliteMetadataStore.open(v1, { clock }));
  const put = async (
    name: RepositoryName,
    seed: number,
    tags: readonly string[],
    mediaType = ociManifest,
  ) => {
    const descriptor = { mediaType, digest: digestOf(seed), size: 1000 };
    const blobs = [{ mediaType: 'a/b', digest: digestOf(seed + 1_000_000), size: 2_449_000 }];
    await store.change([
      putManifest(name, { descriptor, blobs: mediaType === ociIndex ? [] : blobs }),
      ...tags.map((tag) => putTag(name, { tag: parseTag(tag), descriptor, checkedAt: clock.now() })),
    ]);
  };
  const moved = stack.move();
  return { path: directory.path, store, clock, put, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

const alpine = repository('docker.io/library/alpine');
const app = repository('ghcr.io/org/app');

/** Times are those of the machine's own zone. */
const anonymous = (output: string): string => output.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/g, 'TIME');

describe('the list of cached images', () => {
  it('has the columns of the original, a row for each tag, and a digest where there is none', async () => {
    await using cache = await cached();
    await cache.put(alpine, 10, ['3', 'latest']);
    await cache.put(app, 11, [], ociIndex);
    assert.deepEqual(anonymous(await printed(cache.path, { header: true, shortDigest: true })).split('\n'), [
      'IMAGE                    TAG/DIGEST TYPE  CREATED             PULLED              SIZE(MB)',
      'docker.io/library/alpine 3          image TIME TIME 2.5',
      'docker.io/library/alpine latest     image TIME TIME 2.5',
      'ghcr.io/org/app          0000000000 list  TIME TIME 0.0',
      '',
    ]);
    const full = await printed(cache.path);
    assert.ok(full.includes(` ${'0'.repeat(63)}b list`), full);
    assert.ok(!full.includes('IMAGE'));
  });

  it('has what one of the patterns finds something in', async () => {
    await using cache = await cached();
    await cache.put(alpine, 10, ['3', 'latest']);
    await cache.put(app, 11, ['v1']);
    await cache.put(app, 12, []);
    const names = async (pattern: string): Promise<unknown[]> => {
      const rows = JSON.parse(await printed(cache.path, { output: 'json', pattern })) as { name: string }[];
      return rows.map(({ name }) => name);
    };
    assert.deepEqual(await names('^docker.*:latest$,app:v[0-9]'), [
      'docker.io/library/alpine:latest',
      'ghcr.io/org/app:v1',
    ]);
    assert.deepEqual(await names('(?i)APP@SHA'), [`ghcr.io/org/app@${digestOf(12)}`]);
    assert.deepEqual(await names('nothing'), []);
    await assert.rejects(printed(cache.path, { pattern: 'a(' }), /"a\(" is no regular expression/);
  });

  it('tells programs what is known: when it was used, whose it is, what it lacks', async () => {
    await using cache = await cached();
    const { clock } = cache;
    await cache.put(alpine, 10, ['3']);
    const createdAt = clock.now();
    clock.set(createdAt + 5000);
    await cache.store.change([recordUses([{ repository: alpine, digest: digestOf(10), at: clock.now() }])]);
    assert.deepEqual(JSON.parse(await printed(cache.path, { output: 'json' })), [
      {
        name: 'docker.io/library/alpine:3',
        repository: alpine,
        tag: '3',
        digest: digestOf(10),
        mediaType: ociManifest,
        type: 'image',
        upstream: 'docker.io',
        createdAt: new Date(createdAt).toISOString(),
        usedAt: new Date(createdAt + 5000).toISOString(),
        size: 2_450_000,
        pinned: false,
        missingBlobs: 1,
        origin: 'upstream',
      },
    ]);
  });

  it('says where that is asked for what is pinned, and what only one image leads to', async () => {
    await using cache = await cached();
    const { store } = cache;
    await cache.put(alpine, 10, ['3', 'latest']);
    await cache.put(app, 11, ['v1'], ociIndex);
    const bytesOf = (seed: number) => linkBlob(alpine, digestOf(seed + 1_000_000), 2_449_000);
    await store.change([
      bytesOf(10),
      pinTag(alpine, parseTag('3'), true),
      pinTag(app, parseTag('none'), true),
    ]);
    assert.deepEqual(
      anonymous(await printed(cache.path, { header: true, shortDigest: true, wide: true })).split('\n'),
      [
        'IMAGE                    TAG/DIGEST TYPE  CREATED             PULLED              SIZE(MB) UPSTREAM  PINNED FREES(MB) MISSING',
        'docker.io/library/alpine 3          image TIME TIME 2.5      docker.io yes    2.5       0',
        'docker.io/library/alpine latest     image TIME TIME 2.5      docker.io no     2.5       0',
        'ghcr.io/org/app          v1         list  TIME TIME 0.0      ghcr.io   no     0.0       0',
        '',
      ],
    );
    const rows = JSON.parse(await printed(cache.path, { output: 'json', wide: true })) as unknown[];
    assert.partialDeepStrictEqual(rows, [
      { name: 'docker.io/library/alpine:3', pinned: true, frees: 2_450_000 },
      { name: 'docker.io/library/alpine:latest', pinned: false },
      { name: 'ghcr.io/org/app:v1', pinned: false, frees: 1000 },
    ]);
  });

  it('is whole over many pages, and read while a server has the directory', async () => {
    await using cache = await cached();
    for (let seed = 0; seed < 450; seed += 1) await cache.put(seed % 2 ? alpine : app, seed, [`t${seed}`]);
    const rows = (await printed(cache.path, { header: true })).trimEnd().split('\n');
    assert.equal(rows.length, 451);
    const tags = rows.slice(1).map((row) => row.split(/ +/)[1]);
    assert.equal(new Set(tags).size, 450);
    assert.equal(rows.filter((row) => row.startsWith('IMAGE')).length, 1);
    await cache.put(alpine, 1000, ['later']);
    assert.equal((await printed(cache.path)).trimEnd().split('\n').length, 451);
  });

  it('is empty where nothing was cached yet, and says what is of another version', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(await printed(directory.path), '');
    assert.equal(await printed(directory.path, { output: 'json' }), '[]\n');
    const v1 = join(directory.path, 'v1');
    await mkdir(v1);
    await writeFile(join(v1, 'index.sqlite'), '');
    await assert.rejects(printed(directory.path), /earlier version: start the server once/);
    await rm(join(v1, 'index.sqlite'));
    await writeFile(join(v1, 'index-99.sqlite'), '');
    await assert.rejects(printed(directory.path), /newer ociregistry/);
  });
});
