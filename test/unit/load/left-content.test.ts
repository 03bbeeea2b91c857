import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { importBundles } from '#src/bundle/import-bundles.ts';
import { ImportRun } from '#src/bundle/import-run.ts';
import { ArchiveBlobs } from '#src/load/archive/archive-blobs.ts';
import { importImage } from '#src/load/archive/import-image.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { Tally } from '#src/load/tally.ts';
import { sha256, verifyWhole } from '#src/oci/digest.ts';
import { type Digest, parseTag } from '#src/oci/reference.ts';
import { sweepLeaving } from '#src/retention/leaving-sweep.ts';
import type { ContentStore } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { leaveContent, linkBlob } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { type Built, builtImage, layoutFiles } from '#test/fakes/layouts.ts';
import { tarOf } from '#test/fakes/tars.ts';

const app = repository('quay.io/team/app');
const image = builtImage(1, { size: 1000 });
const [layer, config] = image.contents;
assert.ok(layer && config);
const minuteMs = 60_000;

/** A store whose files are told of that are removed, and which looks whether what comes there is on record. */
function emptyStore() {
  const clock = new FakeClock();
  const taken: Digest[] = [];
  const unknown: Digest[] = [];
  const blobs = new MemoryBlobStore();
  const index = SqliteMetadataStore.inMemory({
    clock,
    discarded: {
      take(digest) {
        taken.push(digest);
        void blobs.delete(digest);
        return 'taken';
      },
      restore: () => false,
    },
  });
  const look = async (digest: Digest): Promise<void> => {
    const announced = await index.graph.announced({ now: clock.now() + 2 * 60 * minuteMs, limit: 100 });
    if (!announced.some((content) => content.digest === digest)) unknown.push(digest);
  };
  const content = new Proxy(blobs, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]): Promise<unknown> => {
        if (key === 'put') await look((args[1] as { digest: Digest }).digest);
        if (key === 'keep') await look((args[0] as { digest: Digest }).digest);
        return await Reflect.apply(member, target, args);
      };
    },
  }) as ContentStore;
  const parts = { content, spools: blobs, metadata: index, clock, changed() {} };
  const discarded = { list: async () => [], remove: async () => true, frees: async () => 0 };
  const { graph } = index;
  return {
    ...{ clock, taken, unknown, index, parts, blobs },
    sweep: async () => await sweepLeaving({ ...parts, graph, discarded, graceMs: 10 * minuteMs }),
    async [Symbol.asyncDispose]() {
      await index[Symbol.asyncDispose]();
    },
  };
}

type Empty = ReturnType<typeof emptyStore>;

function archiveBlobs({ parts }: Empty): ArchiveBlobs {
  return new ArchiveBlobs(parts, new Tally(), new AbortController().signal);
}

async function* bodyOf(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content;
}

async function bring(blobs: ArchiveBlobs, content: Buffer): Promise<Digest> {
  const entry = { path: 'x', size: content.length, body: bodyOf(content) };
  return (await blobs.store(entry, sha256(content))).digest;
}

it('what an import brought that ended without naming it goes an hour later, and not before', async () => {
  await using store = emptyStore();
  {
    using blobs = archiveBlobs(store);
    await bring(blobs, layer);
  }
  await store.clock.advance(59 * minuteMs);
  await store.sweep();
  assert.deepEqual(store.taken, []);
  await store.clock.advance(2 * minuteMs);
  await store.sweep();
  assert.deepEqual(store.taken, [sha256(layer)]);
  assert.equal((await store.index.getChecked(sha256(layer)))?.isHere, false);
  assert.deepEqual(await store.index.graph.announced({ now: store.clock.now() * 2, limit: 1 }), []);
  assert.equal(store.clock.sleeping, 0);
});

it('it stays while the import runs, however long that takes', async () => {
  await using store = emptyStore();
  using blobs = archiveBlobs(store);
  await bring(blobs, layer);
  for (let minute = 0; minute < 300; minute += 5) {
    await store.clock.advance(5 * minuteMs);
    await store.sweep();
  }
  assert.deepEqual(store.taken, []);
});

it('it stays too where it was here before, and would have gone', async () => {
  await using store = emptyStore();
  const digest = sha256(layer);
  await store.blobs.keep(verifyWhole(digest, layer), layer);
  const other = repository('quay.io/team/other');
  await store.index.change([linkBlob(other, digest, layer.length), leaveContent(other, [digest])]);
  {
    using blobs = archiveBlobs(store);
    await bring(blobs, layer);
    for (let minute = 0; minute < 120; minute += 5) {
      await store.clock.advance(5 * minuteMs);
      await store.sweep();
    }
    assert.deepEqual(store.taken, []);
  }
  await store.clock.advance(61 * minuteMs);
  await store.sweep();
  assert.deepEqual(new Set(store.taken), new Set([digest]));
});

it('it stays when an image names it', async () => {
  await using store = emptyStore();
  {
    using blobs = archiveBlobs(store);
    for (const content of image.contents) await bring(blobs, content);
    const brought = new Map(image.contents.map((content) => [sha256(content), { size: content.length }]));
    const source = { bring: async (digest: Digest) => brought.get(digest) };
    const root = { name: 'x', root: sha256(image.manifest), mediaType: image.mediaType };
    await importImage(root, { repository: app, reference: parseTag('v1') }, [], source, store.parts);
  }
  await store.clock.advance(180 * minuteMs);
  await store.sweep();
  assert.deepEqual(store.taken, []);
  assert.equal(await store.index.hasBlob(app, sha256(layer)), true);
});

it('it is not announced beyond the import where its repository had it already', async () => {
  await using store = emptyStore();
  const brought = new Map(image.contents.map((content) => [sha256(content), { size: content.length }]));
  const source = { bring: async (digest: Digest) => brought.get(digest) };
  const root = { name: 'x', root: sha256(image.manifest), mediaType: image.mediaType };
  for (let time = 0; time < 2; time += 1) {
    using blobs = archiveBlobs(store);
    for (const content of image.contents) await bring(blobs, content);
    await importImage(root, { repository: app, reference: parseTag('v1') }, [], source, store.parts);
    const later = store.clock.now() * 2;
    assert.deepEqual(await store.index.graph.announced({ now: later, limit: 10 }), []);
  }
});

it('large blobs that a repository owns by then go with the image that never came', async () => {
  await using store = emptyStore();
  const large = builtImage(2, { size: 2 * 1024 * 1024 });
  const [first] = large.contents;
  assert.ok(first);
  const digests = large.contents.map(sha256);
  {
    using blobs = archiveBlobs(store);
    for (const content of large.contents) await bring(blobs, content);
    const source = {
      bring: async (digest: Digest) => {
        // Its configuration is linked behind its layer.
        if (digest === digests[1] && (await store.index.hasBlob(app, digests[0] ?? digest)))
          throw new Error('no room left');
        return { size: large.contents[digests.indexOf(digest)]?.length ?? 0 };
      },
    };
    const reversed = withConfigLast(large);
    await bring(blobs, reversed.manifest);
    const root = { name: 'x', root: sha256(reversed.manifest), mediaType: large.mediaType };
    const name = { repository: app, reference: parseTag('v1') };
    const importing = importImage(
      root,
      name,
      [],
      { bring: withManifest(source, reversed.manifest) },
      store.parts,
    );
    await assert.rejects(importing, /no room left/);
  }
  assert.equal(await store.index.hasBlob(app, sha256(first)), true);
  await store.clock.advance(61 * minuteMs);
  await store.sweep();
  assert.ok(store.taken.includes(sha256(first)));
  assert.equal(await store.index.hasBlob(app, sha256(first)), false);
});

/** Its large layer stands where the configuration does, and is linked first. */
function withConfigLast({ contents }: Built): { readonly manifest: Buffer } {
  const [first, second] = contents.map((content) => ({
    ...{ mediaType: 'application/octet-stream', digest: sha256(content), size: content.length },
  }));
  const manifest = { schemaVersion: 2, mediaType: image.mediaType, config: first, layers: [second] };
  return { manifest: Buffer.from(JSON.stringify(manifest)) };
}

function withManifest(
  source: { bring(digest: Digest): Promise<{ size: number }> },
  manifest: Buffer,
): (digest: Digest) => Promise<{ size: number }> {
  return async (digest) =>
    digest === sha256(manifest) ? { size: manifest.length } : await source.bring(digest);
}

it('no file has its name before it is on record: of tars, of folders, and of manifests that are made', async () => {
  await using store = emptyStore();
  const path = await mkdtemp(join(tmpdir(), 'ociregistry-'));
  try {
    const tars = { 'layout.tar': layoutFiles({ 'quay.io/team/app:v1': image }), 'saved.tar': savedFiles() };
    for (const [name, files] of Object.entries(tars)) await writeFile(join(path, name), await tarOf(files));
    const ended: LoadedImage[] = [];
    const named = (name: string) => ({
      repository: name.startsWith('quay') ? app : repository('docker.io/library/saved'),
      reference: parseTag('v1'),
    });
    const run = new ImportRun({
      ...{ parts: { ...store.parts, named }, platforms: [], signal: new AbortController().signal },
      ended: (result) => ended.push(result),
    });
    await importBundles([path], { host: undefined, target: '/none' }, run);
    assert.deepEqual(
      ended.map(({ problem }) => problem),
      [undefined, undefined],
    );
    assert.deepEqual(store.unknown, []);
    assert.deepEqual(await store.index.graph.announced({ now: store.clock.now() * 2, limit: 10 }), []);
  } finally {
    await rm(path, { recursive: true });
  }
});

/** As `docker save` wrote it before version 25. */
function savedFiles(): (readonly [string, Buffer | object])[] {
  assert.ok(layer);
  const json = Buffer.from(JSON.stringify({ rootfs: { diff_ids: [sha256(layer)] } }));
  const hex = (content: Buffer) => sha256(content).slice('sha256:'.length);
  const paths = [`${hex(json)}.json`, `${hex(layer)}/layer.tar`] as const;
  return [
    [paths[0], json],
    [paths[1], layer],
    ['manifest.json', [{ Config: paths[0], RepoTags: ['saved:v1'], Layers: [paths[1]] }]],
  ];
}
