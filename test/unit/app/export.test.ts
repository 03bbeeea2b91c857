import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { ListedBlob } from '#src/bundle/bundle-list.ts';
import { digestLike, sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import type { Digest } from '#src/oci/reference.ts';
import { loseBlob } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { bytes } from '#test/fakes/images.ts';
import { type Built, builtImage, builtIndex, described, layoutFiles, pathOf } from '#test/fakes/layouts.ts';

interface ListJson {
  readonly chunks: readonly { readonly file: string; readonly size: number; readonly sha256: string }[];
  readonly blobs: readonly ListedBlob[];
  readonly since?: string;
  readonly id: string;
}

const list = async (path: string) => JSON.parse(await readFile(path, 'utf8')) as ListJson;

/** Paths of blobs in a folder, as a layout has them. */
async function blobsIn(folder: string): Promise<string[]> {
  return (await readdir(join(folder, 'blobs/sha256'))).map((hex) => `blobs/sha256/${hex}`).sort();
}

const paths = (contents: readonly Buffer[]) => [...new Set(contents.map(pathOf))].sort();

const [amd64, arm64, s390x] = [builtImage(1), builtImage(2), builtImage(3)];
const shared = builtImage(4, { layer: amd64.contents[0] ?? assert.fail() });
const multi = builtIndex({ amd64, arm64, s390x });
const signature = builtImage(5, { size: 300, subject: amd64.manifest });
const images = {
  'quay.io/team/multi:v1': multi,
  'quay.io/team/shared:v1': shared,
  'docker.io/library/app:1': shared,
  [`quay.io/team/multi@${sha256(signature.manifest)}`]: signature,
};

/** A cache that has these images. */
async function filled(content: Readonly<Record<string, Built>> = images): Promise<CacheDirectory> {
  const cache = await CacheDirectory.make();
  const imported = await cache.import([await cache.folder('first', layoutFiles(content))]);
  assert.deepEqual(
    problemsOf(imported).filter(([, problem]) => problem !== undefined),
    [],
  );
  return cache;
}

describe('exporting a cache', () => {
  it('writes a layout of all, what is shared once, under the whole names', async () => {
    await using cache = await filled();
    const to = join(cache.path, 'bundle');
    const exported = await cache.export(to);
    const names = Object.keys(images);
    assert.deepEqual(exported.images.map(({ name }) => name).sort(), names.toSorted());
    assert.deepEqual(await blobsIn(to), paths(Object.values(images).flatMap(({ contents }) => contents)));
    const index = JSON.parse(await readFile(join(to, 'index.json'), 'utf8')) as {
      manifests: { digest: string; annotations: Record<string, string> }[];
    };
    assert.deepEqual(
      index.manifests.map(({ annotations }) => annotations['org.opencontainers.image.ref.name']).sort(),
      names.toSorted(),
    );
    const { blobs } = await list(join(to, 'bundle.json'));
    assert.deepEqual(blobs.map(({ digest }) => `blobs/sha256/${digest.slice(7)}`).sort(), await blobsIn(to));
    assert.deepEqual(await readdir(cache.path), ['bundle', 'cache', 'first']);
  });

  it('is imported by another cache, which serves it bit by bit', async () => {
    await using cache = await filled();
    const to = join(cache.path, 'bundle.tar');
    await cache.export(to);
    await using other = await CacheDirectory.make();
    const imported = await other.import([to]);
    assert.deepEqual(
      imported.filter(({ problem }) => problem !== undefined),
      [],
    );
    const served = await other.served(
      'quay.io/team/multi/manifests/v1',
      `quay.io/team/multi/manifests/${sha256(s390x.manifest)}`,
      `quay.io/team/multi/blobs/${sha256(s390x.contents[0] ?? assert.fail())}`,
      'docker.io/library/app/manifests/1',
      `quay.io/team/multi/manifests/${sha256(signature.manifest)}`,
    );
    const wanted = [multi.manifest, s390x.manifest, s390x.contents[0], shared.manifest, signature.manifest];
    assert.deepEqual(
      served,
      wanted.map((content) => [200, sha256(content ?? assert.fail())]),
    );
    const again = await other.import([to]);
    assert.equal(
      again.reduce((sum, { tally }) => sum + tally.fetched, 0),
      0,
    );
  });

  it('takes what matches, of an index the wanted platforms, and what refers to them', async () => {
    await using cache = await filled();
    const to = join(cache.path, 'bundle');
    const { images: exported } = await cache.export(to, {
      matches: (name) => name === 'quay.io/team/multi:v1',
      platforms: ['linux/amd64', 'linux/arm64'],
    });
    assert.deepEqual(problemsOf(exported), [
      ['quay.io/team/multi:v1', undefined],
      [`quay.io/team/multi@${sha256(signature.manifest)}`, undefined],
    ]);
    const wanted = [amd64, arm64, signature].flatMap(({ contents }) => contents);
    assert.deepEqual(await blobsIn(to), paths([...wanted, multi.manifest]));
  });

  it('takes what cosign keeps in a tag beside the image, once', async () => {
    const tag = `quay.io/team/multi:sha256-${sha256(multi.manifest).slice(7)}.sig`;
    const signed = { ...images, [tag]: builtImage(10, { size: 300 }) };
    await using cache = await filled(signed);
    const { images: one } = await cache.export(join(cache.path, 'one'), {
      matches: (name) => name === 'quay.io/team/multi:v1',
    });
    assert.ok(one.some(({ name }) => name === tag));
    const { images: all } = await cache.export(join(cache.path, 'all'));
    assert.deepEqual(all.map(({ name }) => name).sort(), Object.keys(signed).sort());
  });

  it('takes all of an index that refers to an image, whichever platforms of images are wanted', async () => {
    const child = {
      ...described(ociManifest, arm64.manifest),
      platform: { os: 'linux', architecture: 'arm64' },
    };
    const subject = described(ociManifest, amd64.manifest);
    const index = { schemaVersion: 2, mediaType: ociIndex, manifests: [child], subject };
    const manifest = Buffer.from(JSON.stringify(index));
    const about: Built = { mediaType: ociIndex, manifest, contents: [...arm64.contents, manifest] };
    const name = `quay.io/team/one@${sha256(manifest)}`;
    await using cache = await filled({ 'quay.io/team/one:v1': amd64, [name]: about });
    const to = join(cache.path, 'bundle');
    const matches = (text: string): boolean => text.endsWith(':v1');
    const { images: exported } = await cache.export(to, { matches, platforms: ['linux/amd64'] });
    assert.deepEqual(problemsOf(exported), [
      ['quay.io/team/one:v1', undefined],
      [name, undefined],
    ]);
    assert.deepEqual(await blobsIn(to), paths([...amd64.contents, ...about.contents]));
  });

  it('takes an image whose digest no tag of cosign has room for', async () => {
    const manifest = amd64.manifest;
    const digest = digestLike(`sha512:${'0'.repeat(128)}` as Digest, manifest);
    const descriptor = { mediaType: amd64.mediaType, digest, size: manifest.length };
    const annotations = { 'org.opencontainers.image.ref.name': 'quay.io/team/long:v1' };
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder('first', [
      ['oci-layout', { imageLayoutVersion: '1.0.0' }],
      ['index.json', { schemaVersion: 2, manifests: [{ ...descriptor, annotations }] }],
      [`blobs/sha512/${digest.slice(7)}`, manifest],
      ...amd64.contents.slice(0, 2).map((content) => [pathOf(content), content] as const),
    ]);
    await cache.import([layout]);
    const { images: exported } = await cache.export(join(cache.path, 'bundle'));
    assert.deepEqual(problemsOf(exported), [['quay.io/team/long:v1', undefined]]);
    await using other = await CacheDirectory.make();
    assert.deepEqual(problemsOf(await other.import([join(cache.path, 'bundle')])), problemsOf(exported));
  });

  it('says what it lacks of a platform that is asked for, and leaves it out where none is', async () => {
    const one = layoutFiles({ 'quay.io/team/multi:v1': multi }).filter(
      ([path]) => !arm64.contents.some((content) => pathOf(content) === path),
    );
    await using cache = await CacheDirectory.make();
    await cache.import([await cache.folder('first', one)]);
    const asked = cache.export(join(cache.path, 'asked'), { platforms: ['linux/amd64', 'linux/arm64'] });
    await assert.rejects(asked, /no image could be exported/);
    const { images: exported } = await cache.export(join(cache.path, 'all'));
    assert.deepEqual(
      exported.map(({ problem, left }) => [problem, left]),
      [[undefined, 1]],
    );
    assert.deepEqual((await readdir(cache.path)).sort(), ['all', 'cache', 'first']);
  });

  it('takes what was used since', async () => {
    await using cache = await filled();
    const none = cache.export(join(cache.path, 'a'), { usedSince: Date.now() + 60_000 });
    await assert.rejects(none, /no image could be exported/);
    const { images: all } = await cache.export(join(cache.path, 'b'), { usedSince: Date.now() - 60_000 });
    assert.equal(all.length, 4);
  });

  it('names a blob that is wrong on the disk, leaves its images out, and goes on', async () => {
    for (const to of ['bundle', 'bundle.tar', '-']) {
      await using cache = await filled();
      const layer = shared.contents[0] ?? assert.fail();
      await writeFile(join(cache.imagePath, 'v1', pathOf(arm64.contents[0] ?? layer)), bytes(150_000, 9));
      const target = to === '-' ? to : join(cache.path, to);
      const { images: exported, output } = await cache.export(target);
      const problems = new Map(exported.map(({ name, problem }) => [name, problem]));
      assert.match(
        problems.get('quay.io/team/multi:v1') ?? '',
        /the stored blob sha256:[0-9a-f]+: wrong bytes/,
      );
      assert.equal(problems.get('quay.io/team/shared:v1'), undefined);
      // Nothing of it is left there.
      const wrong = pathOf(arm64.contents[0] ?? layer);
      if (to === 'bundle') assert.ok(!(await blobsIn(target)).includes(wrong));
      if (to === 'bundle.tar') {
        const [chunk] = (await list(join(cache.path, 'bundle.json'))).chunks;
        assert.equal(sha256(await readFile(target)), `sha256:${chunk?.sha256}`);
      }
      const file = to === '-' ? join(cache.path, 'out.tar') : target;
      if (to === '-') await writeFile(file, output);
      await using other = await CacheDirectory.make();
      const imported = problemsOf(await other.import([file]));
      assert.ok(
        imported.every(([, problem]) => problem === undefined),
        JSON.stringify(imported),
      );
      assert.ok(imported.some(([name]) => name === 'docker.io/library/app:1'));
      assert.ok(!imported.some(([name]) => name === 'quay.io/team/multi:v1'));
    }
  });

  it('names an image of which a manifest is damaged, or is no file, leaves it out, and goes on', async () => {
    const spoils = [
      async (path: string) => await writeFile(path, '{}'),
      async (path: string) => {
        await rm(path);
        await mkdir(path);
      },
    ];
    for (const spoil of spoils) {
      await using cache = await filled();
      await spoil(join(cache.imagePath, 'v1', pathOf(arm64.manifest)));
      const { images: exported } = await cache.export(join(cache.path, 'bundle'));
      const problems = new Map(exported.map(({ name, problem }) => [name, problem]));
      assert.match(
        problems.get('quay.io/team/multi:v1') ?? '',
        /^its stored manifest sha256:[0-9a-f]+ is damaged, or gone$|lies what is no file$/,
      );
      assert.equal(problems.get('quay.io/team/shared:v1'), undefined);
      assert.ok(exported.some(({ problem }) => problem === undefined));
    }
  });

  it('names the blob that an image lacks, as far as is known without a look at the disk', async () => {
    await using cache = await filled();
    const lost = sha256(arm64.contents[1] ?? assert.fail());
    for (const [digest, name] of [
      [lost, `quay.io/team/multi@${sha256(arm64.manifest)}`],
      [sha256(shared.contents[1] ?? assert.fail()), 'docker.io/library/app:1'],
    ] as const) {
      {
        await using index = await SqliteMetadataStore.open(join(cache.imagePath, 'v1'));
        await index.change([loseBlob(digest)]);
      }
      const to = join(cache.path, digest.slice(-8));
      const matches = (text: string): boolean => text === name || text.endsWith('multi:v1');
      const { images: exported } = await cache.export(to, { isExact: true, matches });
      const problems = new Map(exported.map((image) => [image.name, image.problem]));
      assert.equal(problems.get(name), `its blob ${digest} is not cached`);
    }
  });

  it('writes over nothing that is there, and leaves nothing when it ends early', async () => {
    await using cache = await filled();
    await writeFile(join(cache.path, 'there.tar'), 'mine');
    await assert.rejects(cache.export(join(cache.path, 'there.tar')), /is there already/);
    await assert.rejects(cache.export(join(cache.path, 'first')), /is there already/);
    const signal = AbortSignal.abort(new Error('interrupted'));
    for (const to of ['a', 'a.tar'])
      await assert.rejects(cache.export(join(cache.path, to), { signal }), /interrupted/);
    await assert.rejects(cache.export(join(cache.path, 'no/such/a.tar')), /ENOENT/);
    assert.deepEqual((await readdir(cache.path)).sort(), ['cache', 'first', 'there.tar']);
    assert.equal(await readFile(join(cache.path, 'there.tar'), 'utf8'), 'mine');
  });
});

describe('a bundle in several tars', () => {
  const large = Object.fromEntries(
    [1, 2, 3, 4].map((seed) => [`quay.io/team/large:${seed}`, builtImage(seed, { size: 700_000 })]),
  );

  it('has them of about that size, each a tar, with their checksums in its list', async () => {
    await using cache = await filled(large);
    await cache.export(join(cache.path, 'bundle.tar'), { chunkSize: 1_500_000 });
    const { chunks, blobs } = await list(join(cache.path, 'bundle.json'));
    assert.deepEqual(
      chunks.map(({ file }) => file),
      ['bundle.tar.001', 'bundle.tar.002'],
    );
    for (const { file, size, sha256: sum } of chunks) {
      const tar = await readFile(join(cache.path, file));
      assert.deepEqual([tar.length, sha256(tar)], [size, `sha256:${sum}`]);
    }
    assert.equal(blobs.length, 12);
    assert.ok(blobs.every(({ chunk }) => chunk === 1 || chunk === 2));
  });

  it('is imported in any order, or by its list', async () => {
    await using cache = await filled(large);
    await cache.export(join(cache.path, 'bundle.tar'), { chunkSize: 1_500_000 });
    const [first, second] = ['bundle.tar.001', 'bundle.tar.002'].map((file) => join(cache.path, file));
    for (const from of [[second, first], [join(cache.path, 'bundle.json')]]) {
      await using other = await CacheDirectory.make();
      const imported = await other.import(from.map((path) => path ?? ''));
      assert.deepEqual(
        problemsOf(imported).sort(),
        Object.keys(large).map((name) => [name, undefined]),
      );
    }
  });

  it('names a tar that is missing, imports what it can, and the rest when it is there', async () => {
    await using cache = await filled(large);
    await cache.export(join(cache.path, 'bundle.tar'), { chunkSize: 1_500_000 });
    await using other = await CacheDirectory.make();
    const imported = await other.import([join(cache.path, 'bundle.tar.002')]);
    const [missing, ...others] = imported.toReversed();
    assert.equal(missing?.name, 'bundle.tar.001');
    assert.match(
      missing.problem ?? '',
      /^it is missing, or not whole: \d+ of its blobs were not brought; not whole without it: quay/,
    );
    const whole = others.map(({ name }) => name);
    assert.ok(whole.length > 0 && others.every(({ problem }) => problem === undefined));
    assert.deepEqual([...whole, ...(missing.costs ?? [])].sort(), Object.keys(large).sort());
    const alone = problemsOf(await other.import([join(cache.path, 'bundle.tar.001')]));
    assert.match(alone[0]?.[1] ?? '', /there is no image in it: .* in another tar of the bundle/);
    // What the first import and the one alone brought is there, and the list proves whose it is.
    const rest = problemsOf(await other.import([join(cache.path, 'bundle.tar.002')]));
    assert.deepEqual(
      rest.slice(0, -1).map(([, problem]) => problem),
      [undefined, undefined, undefined, undefined],
    );
  });
});

describe('a bundle that goes on from an earlier one', () => {
  const before = { 'quay.io/team/app:v1': amd64 };
  const layer = amd64.contents[0] ?? assert.fail();
  const [next, elsewhere] = [builtImage(6), builtImage(7, { layer })];
  const after = { ...before, 'quay.io/team/app:v2': next, 'ghcr.io/team/app:v2': elsewhere };

  async function twice() {
    const cache = await filled(before);
    await cache.export(join(cache.path, 'one.tar'));
    await cache.import([await cache.folder('more', layoutFiles(after))]);
    await cache.export(join(cache.path, 'two'), { since: join(cache.path, 'one.json') });
    return cache;
  }

  it('has only the blobs that this has not, and proves that it had the others', async () => {
    await using cache = await twice();
    assert.deepEqual(
      await blobsIn(join(cache.path, 'two')),
      paths([...next.contents, ...elsewhere.contents.slice(1)]),
    );
    const [one, two] = [
      await list(join(cache.path, 'one.json')),
      await list(join(cache.path, 'two/bundle.json')),
    ];
    assert.equal(two.since, one.id);
    const left = two.blobs.filter(({ chunk }) => chunk === undefined);
    assert.deepEqual(
      left.map(({ digest, proof }) => [digest, proof]).sort(),
      one.blobs.map(({ digest, proof }) => [digest, proof]).sort(),
    );
    assert.ok(left.every(({ digest, proof }) => !digest.includes(proof)));
    // What the earlier list has proved is not read again.
    await writeFile(join(cache.imagePath, 'v1', pathOf(layer)), bytes(150_000, 9));
    const { images: third } = await cache.export(join(cache.path, 'three'), {
      since: join(cache.path, 'two/bundle.json'),
    });
    assert.ok(third.every(({ problem }) => problem === undefined));
  });

  it('is imported where that was, also for an image of another registry', async () => {
    await using cache = await twice();
    await using other = await CacheDirectory.make();
    await other.import([join(cache.path, 'one.tar')]);
    const imported = await other.import([join(cache.path, 'two')]);
    assert.deepEqual(
      problemsOf(imported).sort(),
      Object.keys(after)
        .sort()
        .map((name) => [name, undefined]),
    );
    const served = await other.served(
      `ghcr.io/team/app/blobs/${sha256(layer)}`,
      'ghcr.io/team/app/manifests/v2',
    );
    assert.deepEqual(served, [
      [200, sha256(layer)],
      [200, sha256(elsewhere.manifest)],
    ]);
  });

  it('says what to import first where that was not', async () => {
    await using cache = await twice();
    await using other = await CacheDirectory.make();
    const imported = new Map(problemsOf(await other.import([join(cache.path, 'two')])) as [string, string][]);
    assert.equal(imported.get('quay.io/team/app:v2'), undefined);
    for (const name of ['quay.io/team/app:v1', 'ghcr.io/team/app:v2'])
      assert.match(
        imported.get(name) ?? '',
        /^it lacks sha256:[0-9a-f]+, which an earlier bundle has \([0-9a-f]{32}\): import that first$/,
      );
  });

  it('gives nobody what its maker has not proved to have had', async () => {
    await using cache = await twice();
    const path = join(cache.path, 'two/bundle.json');
    const forged = await list(path);
    const other = await CacheDirectory.make();
    await using _ = other;
    await other.import([join(cache.path, 'one.tar')]);
    const proofs = ['0'.repeat(64), sha256(layer).slice(7)];
    for (const proof of proofs) {
      const blobs = forged.blobs.map((blob) => (blob.digest === sha256(layer) ? { ...blob, proof } : blob));
      await writeFile(path, JSON.stringify({ ...forged, blobs }));
      const imported = new Map(
        problemsOf(await other.import([join(cache.path, 'two')])) as [string, string][],
      );
      assert.match(imported.get('ghcr.io/team/app:v2') ?? '', /^it lacks sha256/);
      // Its repository has it already.
      assert.equal(imported.get('quay.io/team/app:v1'), undefined);
    }
    await writeFile(path, JSON.stringify({ ...forged, nonce: '' }));
    assert.match((await other.import([join(cache.path, 'two')]))[0]?.problem ?? '', /lacks its id or nonce/);
    const served = await other.served(`ghcr.io/team/app/blobs/${sha256(layer)}`);
    assert.equal(served[0]?.[0], 404);
  });

  it('goes on from the folder of any layout, or from a tar', async () => {
    await using cache = await twice();
    for (const since of [join(cache.path, 'first'), join(cache.path, 'one.tar')]) {
      const to = join(cache.path, `since-${since.endsWith('.tar')}`);
      await cache.export(to, { since });
      assert.deepEqual(await blobsIn(to), await blobsIn(join(cache.path, 'two')));
    }
    await assert.rejects(
      cache.export(join(cache.path, 'x'), { since: join(cache.path, 'none') }),
      /cannot be read/,
    );
    const cut = join(cache.path, 'cut.tar');
    await writeFile(cut, (await readFile(join(cache.path, 'one.tar'))).subarray(0, 100_000));
    await assert.rejects(
      cache.export(join(cache.path, 'x'), { since: cut }),
      /cut\.tar" cannot be read: the tar .* "blobs/,
    );
  });
});
