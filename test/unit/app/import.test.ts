import assert from 'node:assert/strict';
import { mkdir, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { sha256 } from '#src/oci/digest.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { bytes } from '#test/fakes/images.ts';
import {
  type Built,
  builtImage,
  builtIndex,
  described,
  type LayoutFile,
  layoutFiles,
  pathOf,
} from '#test/fakes/layouts.ts';
import { tarOf } from '#test/fakes/tars.ts';

const [one, two] = [builtImage(1), builtImage(2)];
const layerOf = ({ contents }: Built) => contents[0] ?? assert.fail();
const hex = (content: Uint8Array) => sha256(content).slice('sha256:'.length);

describe('what an image is given', () => {
  const thief = builtImage(9, { layer: layerOf(one) });
  const name = 'ghcr.io/thief/app:v1';
  const without = (files: readonly LayoutFile[]) => files.filter(([path]) => path !== pathOf(layerOf(one)));

  async function withPrivate(): Promise<CacheDirectory> {
    const cache = await CacheDirectory.make();
    await cache.import([await cache.folder('private', layoutFiles({ 'registry.corp/secret/app:v1': one }))]);
    return cache;
  }

  it('is not what the store has of another registry, which it only names', async () => {
    await using cache = await withPrivate();
    const files = without(layoutFiles({ [name]: thief }));
    const tar = join(cache.path, 'thief.tar');
    await writeFile(tar, await tarOf(files));
    for (const from of [tar, await cache.folder('thief', files)]) {
      const [image] = await cache.import([from]);
      assert.equal(image?.problem, `it lacks the blob ${sha256(layerOf(one))}`);
    }
    const [blob] = await cache.served(`ghcr.io/thief/app/blobs/${sha256(layerOf(one))}`);
    assert.equal(blob?.[0], 404);
  });

  it('is not what it says to bring, with other bytes of that length', async () => {
    await using cache = await withPrivate();
    const files = layoutFiles({ [name]: thief }).map(
      ([path, content]): LayoutFile => [path, path === pathOf(layerOf(one)) ? bytes(150_000, 3) : content],
    );
    const tar = join(cache.path, 'thief.tar');
    await writeFile(tar, await tarOf(files));
    for (const from of [tar, await cache.folder('thief', files)]) {
      const problems = (await cache.import([from])).map(({ problem }) => problem ?? 'imported');
      assert.ok(
        problems.every((problem) => /wrong bytes|lacks the blob/.test(problem)),
        String(problems),
      );
    }
    const [blob] = await cache.served(`ghcr.io/thief/app/blobs/${sha256(layerOf(one))}`);
    assert.equal(blob?.[0], 404);
  });

  it('is not a manifest of another repository, which it only names', async () => {
    await using cache = await withPrivate();
    const index = builtIndex({ amd64: two, arm64: one });
    const theirs = one.contents.map(pathOf);
    const files = layoutFiles({ [name]: index }).filter(([path]) => !theirs.includes(path));
    assert.deepEqual(problemsOf(await cache.import([await cache.folder('thief', files)])), [
      [name, undefined],
    ]);
    const [root, child] = await cache.served(
      'ghcr.io/thief/app/manifests/v1',
      `ghcr.io/thief/app/manifests/${sha256(one.manifest)}`,
    );
    assert.deepEqual([root?.[0], child?.[0]], [200, 404]);
  });

  it('is what it brings, though the store has it', async () => {
    await using cache = await withPrivate();
    const [image] = await cache.import([await cache.folder('owner', layoutFiles({ [name]: thief }))]);
    assert.equal(image?.problem, undefined);
    const [blob] = await cache.served(`ghcr.io/thief/app/blobs/${sha256(layerOf(one))}`);
    assert.equal(blob?.[0], 200);
  });
});

describe('importing', () => {
  it('takes a tar of docker save beside a layout, and says what is nothing', async () => {
    await using cache = await CacheDirectory.make();
    const config = Buffer.from(JSON.stringify({ rootfs: { diff_ids: [sha256(layerOf(one))] } }));
    const saved = await tarOf([
      [`${hex(config)}.json`, config],
      [`${hex(layerOf(one))}/layer.tar`, layerOf(one)],
      [
        'manifest.json',
        [{ Config: `${hex(config)}.json`, RepoTags: ['app:1'], Layers: [`${hex(layerOf(one))}/layer.tar`] }],
      ],
    ]);
    const tar = join(cache.path, 'saved.tar.gz');
    await writeFile(tar, gzipSync(saved));
    const layout = await cache.folder('layout', layoutFiles({ 'quay.io/team/app:v2': two }));
    await writeFile(join(cache.path, 'note.txt'), 'a note');
    const imported = await cache.import([
      tar,
      layout,
      join(cache.path, 'note.txt'),
      join(cache.path, 'none'),
    ]);
    assert.deepEqual(problemsOf(imported), [
      ['DIR/note.txt', 'it is neither a tar, also compressed by gzip or zstd, nor the list of a bundle'],
      ['DIR/none', 'there is no such file or folder'],
      ['quay.io/team/app:v2', undefined],
      ['app:1', undefined],
    ]);
  });

  it('reads once a tar that is named twice', async () => {
    await using cache = await CacheDirectory.make();
    const tar = join(cache.path, 'a.tar');
    await writeFile(tar, await tarOf(layoutFiles({ 'quay.io/team/app:v1': one })));
    const imported = await cache.import([tar, `${cache.path}/./a.tar`]);
    assert.deepEqual(problemsOf(imported), [['quay.io/team/app:v1', undefined]]);
    assert.equal(imported[0]?.tally.present, 0);
  });

  it('takes a directory of zot, each repository of which is a layout', async () => {
    await using cache = await CacheDirectory.make();
    const repository = (image: Built, tag: string): LayoutFile[] => layoutFiles({ [tag]: image });
    await cache.folder('zot/team/app', repository(one, 'v1'));
    await cache.folder('zot/team/deep/er', repository(two, 'v2'));
    const imported = await cache.import([join(cache.path, 'zot')], { host: 'registry.corp' });
    assert.deepEqual(problemsOf(imported).sort(), [
      ['registry.corp/team/app:v1', undefined],
      ['registry.corp/team/deep/er:v2', undefined],
    ]);
    const unnamed = await cache.import([join(cache.path, 'zot')]);
    assert.match(unnamed[0]?.problem ?? '', /which registry .* --as HOST$/);
  });

  it('takes a directory of distribution, for the registry that is named', async () => {
    await using cache = await CacheDirectory.make();
    const multi = builtIndex({ amd64: one, arm64: two });
    const root = 'storage/docker/registry/v2';
    const blobs = multi.contents.map(
      (content): LayoutFile => [`blobs/sha256/${hex(content).slice(0, 2)}/${hex(content)}/data`, content],
    );
    const manifests = 'repositories/team/app/_manifests';
    await cache.folder(root, [
      ...blobs,
      [`${manifests}/tags/v1/current/link`, sha256(multi.manifest)],
      [`${manifests}/tags/broken/current/link`, 'x'],
      [`${manifests}/revisions/sha256/${hex(one.manifest)}/link`, sha256(one.manifest)],
    ]);
    const unnamed = await cache.import([join(cache.path, 'storage')]);
    assert.match(unnamed[0]?.problem ?? '', /--as HOST/);
    const imported = await cache.import([join(cache.path, 'storage')], { host: 'registry.corp' });
    assert.deepEqual(problemsOf(imported).sort(), [
      ['DIR/storage/docker/registry/v2', `${imported[0]?.problem}`],
      ['registry.corp/team/app:v1', undefined],
      [`registry.corp/team/app@${sha256(one.manifest)}`, undefined],
    ]);
    const served = await cache.served(
      'registry.corp/team/app/manifests/v1',
      `registry.corp/team/app/blobs/${sha256(layerOf(two))}`,
    );
    assert.deepEqual(served, [
      [200, sha256(multi.manifest)],
      [200, sha256(layerOf(two))],
    ]);
  });

  it('takes the cache of another server, and not itself', async () => {
    await using first = await CacheDirectory.make();
    await first.import([await first.folder('layout', layoutFiles({ 'quay.io/team/app:v1': one }))]);
    await using second = await CacheDirectory.make();
    assert.deepEqual(problemsOf(await second.import([first.imagePath])), [
      ['quay.io/team/app:v1', undefined],
    ]);
    const itself = await first.import([first.imagePath]);
    assert.deepEqual(problemsOf(itself), [['DIR/cache', 'it is the cache itself']]);
  });

  const layers = [1, 2, 3].map((seed) => Buffer.from(bytes(2 * 1024 * 1024, seed)));
  const config = Buffer.from('{}');
  const layered = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: one.mediaType },
      config: described('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => described('application/vnd.oci.image.layer.v1.tar', layer)),
    }),
  );
  const large: Built = {
    mediaType: one.mediaType,
    manifest: layered,
    contents: [...layers, config, layered],
  };

  it('does not read again the large blobs of an image that it did not come to the end of', async () => {
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder('layout', layoutFiles({ 'quay.io/team/app:v1': large }));
    const last = join(layout, pathOf(layers[2] ?? config));
    await rm(last);
    await cache.import([layout]);
    await writeFile(last, layers[2] ?? config);
    // Whoever reads them now finds them wrong.
    for (const layer of layers.slice(0, 2)) await truncate(join(layout, pathOf(layer)), 10);
    const [again] = await cache.import([layout]);
    assert.equal(again?.problem, undefined);
    const [blob] = await cache.served(`quay.io/team/app/blobs/${sha256(layers[0] ?? config)}`);
    assert.equal(blob?.[0], 200);
  });

  it('does not write again what an earlier tar brought that no image named', async () => {
    await using cache = await CacheDirectory.make();
    const files = layoutFiles({ 'quay.io/team/app:v1': large });
    const [part, whole] = [join(cache.path, 'part.tar'), join(cache.path, 'whole.tar')];
    await writeFile(part, await tarOf(files.filter(([path]) => path !== 'index.json')));
    await writeFile(whole, await tarOf(files));
    await cache.import([part]);
    const [image] = await cache.import([whole]);
    assert.deepEqual([image?.problem, image?.tally.fetched], [undefined, 0]);
  });

  it('goes on where it ended, two at once too', async () => {
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder(
      'layout',
      layoutFiles({ 'quay.io/team/app:v1': one, 'quay.io/team/app:v2': two }),
    );
    await rm(join(layout, pathOf(layerOf(two))));
    const before = await cache.import([layout]);
    assert.deepEqual(problemsOf(before), [
      ['quay.io/team/app:v1', undefined],
      ['quay.io/team/app:v2', `it lacks the blob ${sha256(layerOf(two))}`],
    ]);
    await writeFile(join(layout, pathOf(layerOf(two))), layerOf(two));
    const [a, b] = await Promise.all([cache.import([layout]), cache.import([layout])]);
    for (const imported of [a, b])
      assert.ok(
        imported.every(({ problem }) => problem === undefined),
        JSON.stringify(problemsOf(imported)),
      );
    const served = await cache.served(
      'quay.io/team/app/manifests/v2',
      `quay.io/team/app/blobs/${sha256(layerOf(two))}`,
    );
    assert.deepEqual(
      served.map(([status]) => status),
      [200, 200],
    );
  });
});

describe('an index of which a part is wrong', () => {
  const name = 'quay.io/team/app:v1';
  const multi = builtIndex({ amd64: one, arm64: two });
  const files = layoutFiles({ [name]: multi }).map(
    ([path, content]): LayoutFile => [path, path === pathOf(layerOf(two)) ? 'torn' : content],
  );
  const paths = [one, two].map(({ manifest }) => `quay.io/team/app/manifests/${sha256(manifest)}`);

  it('is there with the rest, and told', async () => {
    for (const form of ['folder', 'tar']) {
      await using cache = await CacheDirectory.make();
      const tar = join(cache.path, 'a.tar');
      if (form === 'tar') await writeFile(tar, await tarOf(files));
      const from = form === 'tar' ? tar : await cache.folder('layout', files);
      const [told] = await cache.import([from]);
      const problem =
        form === 'folder'
          ? new RegExp(`^all but a part of it is loaded: ${sha256(two.manifest)}: `)
          : new RegExp(`^"${pathOf(layerOf(two))}": wrong bytes.*; not whole without it: ${name}$`);
      assert.match(told?.problem ?? '', problem);
      const [root, right, wrong] = await cache.served('quay.io/team/app/manifests/v1', ...paths);
      assert.deepEqual([root?.[0], right?.[0], wrong?.[0]], [200, 200, 404]);
    }
  });

  it('is nothing where all of it is wrong', async () => {
    await using cache = await CacheDirectory.make();
    const all = files.map(
      ([path, content]): LayoutFile => [path, path === pathOf(layerOf(one)) ? 'torn' : content],
    );
    const [told] = await cache.import([await cache.folder('layout', all)]);
    assert.match(told?.problem ?? '', /wrong bytes/);
    assert.equal((await cache.served('quay.io/team/app/manifests/v1'))[0]?.[0], 404);
  });

  it('does not take the place of another that the tag leads to', async () => {
    await using cache = await CacheDirectory.make();
    await cache.import([await cache.folder('whole', layoutFiles({ [name]: builtImage(3) }))]);
    await cache.import([await cache.folder('layout', files)]);
    const [tag] = await cache.served('quay.io/team/app/manifests/v1');
    assert.equal(tag?.[1], sha256(builtImage(3).manifest));
  });
});

describe('what is wrong with what is imported', () => {
  const files = layoutFiles({ 'quay.io/team/app:v1': one, 'quay.io/team/app:v2': two });
  const cases: [what: string, make: (cache: CacheDirectory) => Promise<string>, problem: RegExp][] = [
    [
      'a tar that is cut',
      async (cache) => {
        const tar = join(cache.path, 'cut.tar');
        await writeFile(tar, await tarOf([...files.slice(0, 1), ...files.slice(2), ...files.slice(1, 2)]));
        await truncate(tar, 200_000);
        return tar;
      },
      /^the tar (?:breaks off within|cannot be read behind)/,
    ],
    [
      'an index that is none',
      async (cache) => await cache.folder('layout', [...files.slice(0, 1), ['index.json', '{"manifests":[']]),
      /index.json cannot be read: .*breaks off/,
    ],
    [
      'a layout without an index',
      async (cache) => await cache.folder('layout', files.slice(0, 1)),
      /index.json cannot be read: ENOENT/,
    ],
    [
      'an image without a name',
      async (cache) =>
        await cache.folder('layout', [
          ...files.slice(0, 1),
          ['index.json', { manifests: [described(one.mediaType, one.manifest)] }],
        ]),
      /has no name there$/,
    ],
    [
      'a folder of nothing',
      async (cache) => await cache.folder('empty', [['a/b', 'x']]),
      /no directory of images that is known/,
    ],
    [
      'a list of a later version',
      async (cache) => {
        const folder = await cache.folder('list', [
          ['bundle.json', '{"kind":"ociregistry bundle","version":2,"id":"x","blobs":[]}'],
        ]);
        return join(folder, 'bundle.json');
      },
      /only a newer ociregistry reads/,
    ],
  ];
  for (const [what, make, problem] of cases)
    it(`is told: ${what}`, async () => {
      await using cache = await CacheDirectory.make();
      const imported = await cache.import([await make(cache)]);
      assert.match(imported[0]?.problem ?? '', problem);
      assert.equal(imported.length, 1, JSON.stringify(problemsOf(imported)));
    });

  it('is told once, with the images that are not whole for it: a tar that breaks off', async () => {
    await using cache = await CacheDirectory.make();
    const [three, four] = [builtImage(3), builtImage(4)];
    const images = { a: one, b: two, c: three, d: four };
    const names = Object.entries(images).map(([tag, image]) => [`quay.io/team/app:${tag}`, image] as const);
    const tar = join(cache.path, 'cut.tar');
    await writeFile(tar, await tarOf(layoutFiles(Object.fromEntries(names))));
    // Within the layer of the second.
    await truncate(tar, 250_000);
    const imported = await cache.import([tar]);
    assert.equal(imported.length, 2, JSON.stringify(problemsOf(imported)));
    assert.deepEqual(problemsOf(imported)[0], ['quay.io/team/app:a', undefined]);
    const [, told] = imported;
    assert.equal(told?.name, 'DIR/cut.tar');
    assert.match(told.problem ?? '', /^the tar (?:breaks off within|cannot be read behind) "blobs\/sha256\//);
    assert.match(
      told.problem ?? '',
      /; not whole without it: quay\.io\/team\/app:b, quay\.io\/team\/app:c, /,
    );
    assert.deepEqual(
      told.costs,
      names.slice(1).map(([name]) => name),
    );
    const served = await cache.served(...names.map(([name]) => name.replace(':', '/manifests/')));
    assert.deepEqual(
      served.map(([status]) => status),
      [200, 404, 404, 404],
    );
  });

  it('is not told of an image that another tar has, and of which that tar never had more', async () => {
    await using cache = await CacheDirectory.make();
    const [cut, part] = [join(cache.path, 'cut.tar'), join(cache.path, 'part.tar')];
    await writeFile(cut, (await tarOf(layoutFiles({ 'quay.io/team/app:v1': one }))).subarray(0, 100_000));
    const multi = builtIndex({ amd64: builtImage(5), arm64: builtImage(6) });
    const theirs = builtImage(6).contents.map(pathOf);
    const some = layoutFiles({ 'quay.io/team/multi:v1': multi }).filter(([path]) => !theirs.includes(path));
    await writeFile(part, await tarOf(some));
    const imported = await cache.import([cut, part]);
    assert.deepEqual(
      imported.map(({ name, costs }) => [name, costs]),
      [
        ['quay.io/team/multi:v1', undefined],
        ['DIR/cut.tar', ['quay.io/team/app:v1']],
      ],
    );
  });

  it('is told where an index lacks a manifest behind the place where its tar breaks off', async () => {
    await using cache = await CacheDirectory.make();
    const cut = join(cache.path, 'cut.tar');
    const multi = builtIndex({ amd64: one, arm64: two });
    const [first, second, ...blobs] = layoutFiles({ 'quay.io/team/multi:v1': multi });
    assert.ok(first && second);
    // The index before what it names.
    const tar = await tarOf([first, second, ...blobs.slice(-1), ...blobs.slice(0, -1)]);
    await writeFile(cut, tar.subarray(0, 250_000));
    const imported = await cache.import([cut]);
    assert.deepEqual(
      imported.map(({ name, costs }) => [name, costs]),
      [['DIR/cut.tar', ['quay.io/team/multi:v1']]],
    );
    const [root, whole] = await cache.served(
      'quay.io/team/multi/manifests/v1',
      `quay.io/team/multi/manifests/${sha256(one.manifest)}`,
    );
    assert.deepEqual([root?.[0], whole?.[0]], [200, 200]);
  });

  it('is told once: a blob of a tar that is not what it is called, of an index too', async () => {
    await using cache = await CacheDirectory.make();
    const [tar, multi] = [join(cache.path, 'wrong.tar'), builtIndex({ amd64: one, arm64: two })];
    const images = {
      'quay.io/team/app:v1': one,
      'quay.io/team/app:v2': two,
      'quay.io/team/app:multi': multi,
      'ghcr.io/team/app:v2': two,
    };
    const wrong = layoutFiles(images).map(
      ([path, content]): LayoutFile => [path, path === pathOf(layerOf(two)) ? 'torn' : content],
    );
    await writeFile(tar, await tarOf(wrong));
    const imported = await cache.import([tar]);
    assert.deepEqual(
      imported.map(({ name, costs }) => [name, costs]),
      [
        ['quay.io/team/app:v1', undefined],
        ['DIR/wrong.tar', ['quay.io/team/app:v2', 'quay.io/team/app:multi', 'ghcr.io/team/app:v2']],
      ],
    );
    assert.match(imported[1]?.problem ?? '', /^"blobs\/sha256\/[0-9a-f]+": wrong bytes/);
    const [multiServed] = await cache.served('quay.io/team/app/manifests/multi');
    assert.equal(multiServed?.[0], 200);
  });

  it('keeps nothing else from being imported: a path that leads out, a list and an index that are none', async () => {
    await using cache = await CacheDirectory.make();
    const tar = join(cache.path, 'odd.tar');
    const odd: LayoutFile[] = [
      ['../x', 'x'],
      ['/etc/x', 'x'],
      ['bundle.json', '{"kind":"other"}'],
      ['manifest.json', '['],
    ];
    await writeFile(tar, await tarOf([...odd, ...files]));
    const imported = await cache.import([tar]);
    assert.deepEqual(
      imported.map(({ name, problem }) => [name, problem?.replaceAll(cache.path, 'DIR')]),
      [
        ['quay.io/team/app:v1', undefined],
        ['quay.io/team/app:v2', undefined],
        ['DIR/odd.tar', 'the tar has a path that leads out of it: "../x"'],
        ['DIR/odd.tar', 'the tar has a path that leads out of it: "/etc/x"'],
        ['DIR/odd.tar', '"bundle.json in DIR/odd.tar" is no list of a bundle'],
        ['DIR/odd.tar', 'manifest.json that is not JSON'],
      ],
    );
    const broken = join(cache.path, 'broken.tar');
    // What is behind the place where it is wrong is left.
    const cutIndex = Buffer.concat([Buffer.from('{"manifests":[}'), Buffer.alloc(200_000, ' ')]);
    await writeFile(broken, await tarOf([['index.json', cutIndex], ...files.slice(2), ...files.slice(1, 2)]));
    const [first] = await cache.import([broken]);
    assert.equal(first?.name, 'quay.io/team/app:v1', JSON.stringify(first));
  });

  it('is counted, where it is more than anybody reads', async () => {
    await using cache = await CacheDirectory.make();
    const tar = join(cache.path, 'odd.tar');
    const odd = Array.from({ length: 150 }, (_, at): LayoutFile => [`../${at}`, 'x']);
    await writeFile(tar, await tarOf([...odd, ...files]));
    const imported = await cache.import([tar]);
    assert.equal(imported.length, 2 + 101);
    assert.equal(imported.at(-1)?.problem, 'and 50 more like this');
  });

  it('leaves the rest as it is: a blob that is none, a pipe, a link to nothing', async () => {
    const { execFileSync } = await import('node:child_process');
    const places = [layerOf(two), two.contents[1] ?? assert.fail()].map(pathOf);
    for (const spoil of [
      async (path: string) => await truncate(path, 10),
      async (path: string) => {
        await rm(path);
        execFileSync('mkfifo', [path]);
      },
      async (path: string) => {
        await rm(path);
        await symlink('/no/such/file', path);
      },
      async (path: string) => {
        await rm(path);
        await mkdir(path);
      },
    ]) {
      await using cache = await CacheDirectory.make();
      const layout = await cache.folder('layout', files);
      await spoil(join(layout, places[0] ?? ''));
      const imported = await cache.import([layout]);
      assert.equal(imported[0]?.problem, undefined);
      assert.match(imported[1]?.problem ?? '', /wrong bytes|is no file|lacks the blob/);
      const [good, bad] = await cache.served(
        'quay.io/team/app/manifests/v1',
        'quay.io/team/app/manifests/v2',
      );
      assert.deepEqual([good?.[0], bad?.[0]], [200, 404]);
    }
  });

  it('is the cache itself, however it is named', async () => {
    await using cache = await CacheDirectory.make();
    await cache.import([await cache.folder('layout', files)]);
    await symlink(cache.imagePath, join(cache.path, 'link'));
    for (const name of ['cache', 'cache/v1', 'link', 'link/../cache/.'])
      assert.deepEqual(
        (await cache.import([join(cache.path, name)])).map(({ problem }) => problem),
        ['it is the cache itself'],
      );
  });

  it('is told of an image that is called by the digest of another', async () => {
    await using cache = await CacheDirectory.make();
    const name = `quay.io/team/app@${sha256(two.manifest)}`;
    const [image] = await cache.import([await cache.folder('layout', layoutFiles({ [name]: one }))]);
    assert.equal(image?.problem, `it is ${sha256(one.manifest)}, and not what its name says`);
    const [served] = await cache.served(name.replace('@', '/manifests/'));
    assert.equal(served?.[0], 404);
  });

  it('is not what lies beside the folder of a list, which names it', async () => {
    await using cache = await CacheDirectory.make();
    await writeFile(join(cache.path, 'outside.tar'), await tarOf(files));
    const list = {
      ...{ kind: 'ociregistry bundle', version: 1, id: 'x', nonce: 'ab'.repeat(32) },
      chunks: [{ file: '../outside.tar' }, { file: join(cache.path, 'outside.tar') }],
      blobs: [],
    };
    const folder = await cache.folder('bundle', [['list.json', JSON.stringify(list)]]);
    const imported = await cache.import([join(folder, 'list.json')]);
    assert.deepEqual(problemsOf(imported), [
      ['DIR/bundle/list.json', 'no image can be imported without the tar that has index.json'],
    ]);
  });

  it('does not keep a tar’s whole images from being imported', async () => {
    await using cache = await CacheDirectory.make();
    const [wrong, right] = [join(cache.path, 'a.tar'), join(cache.path, 'b.tar')];
    await writeFile(wrong, await tarOf([['index.json', 'x']]));
    await writeFile(right, await tarOf(layoutFiles({ 'quay.io/team/app:v1': one })));
    const imported = problemsOf(await cache.import([wrong, right]));
    assert.deepEqual(imported, [
      ['quay.io/team/app:v1', undefined],
      ['DIR/a.tar', 'index.json that is not JSON'],
    ]);
    assert.ok((await stat(right)).size > 0);
  });
});
