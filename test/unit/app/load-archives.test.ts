import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { openCaching } from '#src/app/caching.ts';
import { imagesToLoad, loadImages, loadInto, withItsName } from '#src/app/load.ts';
import { filePlan } from '#src/app/open-files.ts';
import { systemClock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { sha256 } from '#src/oci/digest.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parsePlatform } from '#src/oci/platform.ts';
import { hostOf, parseTag } from '#src/oci/reference.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines, watched } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { type TarContent, tarOf } from '#test/fakes/tars.ts';

type File = readonly [path: string, content: TarContent];

/** A directory without any upstream, and what loads archives into it. */
async function aside() {
  const directory = await temporaryDirectory();
  const settings = { imagePath: join(directory.path, 'cache'), airGapped: true };
  const { config } = await loadConfig({ flags: settings, env: {} });
  const load = async (
    archive: Uint8Array | readonly File[],
    platforms: readonly string[] = [],
    { resolveRef = '', piped = false } = {},
  ): Promise<LoadedImage[]> => {
    const path = join(directory.path, archive instanceof Uint8Array ? 'a.tar' : 'layout');
    if (archive instanceof Uint8Array) await writeFile(path, archive);
    else
      for (const [name, content] of archive) {
        await mkdir(dirname(join(path, name)), { recursive: true });
        await writeFile(join(path, name), content instanceof Uint8Array ? content : JSON.stringify(content));
      }
    const input = piped && archive instanceof Uint8Array ? [archive] : [];
    const found = await imagesToLoad(config, piped ? '-' : path, Readable.from(input));
    const files = withItsName(found, { ...config, resolveRef });
    const ended: LoadedImage[] = [];
    const wanted = {
      platforms: platforms.map((text) => parsePlatform(text) ?? assert.fail()),
      referrers: false,
    };
    await loadImages(config, files, wanted, {
      ...{ version: '0', env: {}, log: watched(new LogLines()), signal: new AbortController().signal },
      ended: (image) => ended.push(image),
    });
    return ended.map((image) => ({ ...image, name: image.name.replace(directory.path, 'DIR') }));
  };
  return { settings, load, [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose]() };
}

const put = (content: Uint8Array): File => [`blobs/sha256/${sha256(content).slice(7)}`, content];
const described = (mediaType: string, content: Uint8Array) => ({
  ...{ mediaType, digest: sha256(content), size: content.length },
});

/** One image of an OCI layout. */
function image(seed: number) {
  const layer = Buffer.from(bytes(150_000, seed));
  const config = Buffer.from(JSON.stringify({ seed }));
  const manifest = Buffer.from(
    JSON.stringify({
      ...{ schemaVersion: 2, mediaType: ociManifest },
      ...{ config: described('application/vnd.oci.image.config.v1+json', config) },
      layers: [described('application/vnd.oci.image.layer.v1.tar', layer)],
    }),
  );
  return { layer, config, manifest, files: [put(layer), put(config), put(manifest)] };
}

const named = (name: string) => ({ annotations: { 'org.opencontainers.image.ref.name': name } });
const layoutFile: File = ['oci-layout', { imageLayoutVersion: '1.0.0' }];

function layoutOf(content: ReturnType<typeof image>, name: string): File[] {
  const manifests = [{ ...described(ociManifest, content.manifest), ...named(name) }];
  return [layoutFile, ['index.json', { schemaVersion: 2, manifests }], ...content.files];
}

/** What a server gives that has nothing but the directory. */
async function served({ settings }: Awaited<ReturnType<typeof aside>>, ...paths: string[]) {
  const app = await runApp(settings);
  await using _ = app;
  const answers = [];
  for (const path of paths) answers.push(await ask(app.server, `/v2/${path}`));
  return answers.map(({ status, body, headers }) => ({ status, digest: sha256(body), headers }));
}

const problems = (images: readonly LoadedImage[]) => images.map(({ name, problem }) => [name, problem]);

describe('loading a tar', () => {
  const content = image(1);
  const layout = layoutOf(content, 'quay.io/team/app:v1');
  const { digest } = described(ociManifest, content.manifest);
  const forms: [string, () => Promise<Uint8Array | readonly File[]>][] = [
    ['plain', async () => await tarOf(layout)],
    ['with ./ in front', async () => await tarOf(layout.map(([path, file]): File => [`./${path}`, file]))],
    ['its index last', async () => await tarOf(layout.toReversed())],
    ['of gzip', async () => gzipSync(await tarOf(layout))],
    ['of gzip in several members', async () => inPieces(await tarOf(layout), gzipSync)],
    ['of zstd', async () => zstdCompressSync(await tarOf(layout))],
    ['of zstd in several frames', async () => inPieces(await tarOf(layout), zstdCompressSync)],
    ['as a folder', async () => layout],
  ];
  for (const [form, archive] of forms) {
    it(`serves its image bit by bit: an OCI layout, ${form}`, async () => {
      await using around = await aside();
      const [loaded] = await around.load(await archive());
      assert.deepEqual(
        [loaded?.problem, loaded?.name, loaded?.digest],
        [undefined, 'quay.io/team/app:v1', digest],
      );
      const paths = [content.layer, content.config].map((blob) => `quay.io/team/app/blobs/${sha256(blob)}`);
      const answers = await served(around, 'quay.io/team/app/manifests/v1', ...paths);
      assert.deepEqual(
        answers.map((answer) => [answer.status, answer.digest]),
        [digest, sha256(content.layer), sha256(content.config)].map((each) => [200, each]),
      );
      assert.equal(answers[0]?.headers['content-type'], ociManifest);
    });
  }

  for (const [form, archive] of forms.slice(0, -1)) {
    it(`serves its image bit by bit: an OCI layout out of a pipe, ${form}`, async () => {
      await using around = await aside();
      const [loaded] = await around.load(await archive(), [], { piped: true });
      assert.deepEqual([loaded?.problem, loaded?.digest], [undefined, digest]);
      const [answer] = await served(around, `quay.io/team/app/blobs/${sha256(content.layer)}`);
      assert.equal(answer?.digest, sha256(content.layer));
    });
  }

  it('ends when it is told to, though whoever writes to the pipe does not go on', async () => {
    await using directory = await temporaryDirectory();
    const { config } = await loadConfig({ flags: { imagePath: directory.path }, env: {} });
    const stop = new AbortController();
    const tar = (await tarOf(layout)).subarray(0, 100_000);
    const reading = Promise.withResolvers<void>();
    async function* silent(): AsyncGenerator<Uint8Array> {
      yield tar;
      reading.resolve();
      await new Promise(() => {});
    }
    const files = await imagesToLoad(config, '-', silent());
    const ended: LoadedImage[] = [];
    const wanted = { platforms: [], referrers: false };
    const loading = loadImages(config, files, wanted, {
      ...{ version: '0', env: {}, log: watched(new LogLines()), signal: stop.signal },
      ended: (image) => ended.push(image),
    });
    await reading.promise;
    stop.abort(new Error('interrupted'));
    await loading;
    assert.deepEqual(problems(ended), [['-', 'interrupted']]);
  });

  it('is called as whoever loads it says, if it has one image', async () => {
    await using around = await aside();
    const called = { resolveRef: 'quay.io/team/other:v2' };
    for (const name of ['v1', 'quay.io/team/app:v1']) {
      const images = await around.load(await tarOf(layoutOf(content, name)), [], called);
      assert.deepEqual(problems(images), [[called.resolveRef, undefined]]);
    }
    const [own, given] = await served(
      around,
      'quay.io/team/app/manifests/v1',
      'quay.io/team/other/manifests/v2',
    );
    assert.deepEqual([own?.status, given?.digest], [404, digest]);
    const both = [content, image(2)];
    const manifests = both.map(({ manifest }) => described(ociManifest, manifest));
    const several = await tarOf([['index.json', { manifests }], ...both.flatMap(({ files }) => files)]);
    const [refused] = await around.load(several, [], called);
    assert.match(refused?.problem ?? '', /^it has several images, of which none is known to be quay/);
    await assert.rejects(
      around.load(several, [], { resolveRef: 'no/Name' }),
      /^LoadError: --resolve-ref: "no/,
    );
    const [digestName] = await around.load(await tarOf(layout), [], {
      resolveRef: `quay.io/a/b@sha256:${'0'.repeat(64)}`,
    });
    assert.match(digestName?.problem ?? '', /and not what its name says$/);
  });

  it('is not called otherwise where there is anything beside it', async () => {
    await using directory = await temporaryDirectory();
    const { config } = await loadConfig({ flags: { resolveRef: 'quay.io/a/b:1' }, env: {} });
    const [list, tar] = [join(directory.path, 'list'), join(directory.path, 'tar')];
    await writeFile(list, 'quay.io/a/b:1');
    await writeFile(tar, await tarOf(layout));
    for (const names of [list, `${tar},${list}`, `${tar},${tar}`]) {
      const files = await imagesToLoad(config, names, Readable.from([]));
      assert.throws(() => withItsName(files, config), /^LoadError: --resolve-ref names the image of one tar/);
    }
  });

  it('reads what is there only once', async () => {
    await using around = await aside();
    const tar = await tarOf(layout);
    const [first] = await around.load(tar);
    const [second] = await around.load(tar);
    const size = content.files.reduce((sum, [, file]) => sum + (file as Buffer).length, 0);
    assert.deepEqual([first?.tally.fetched, first?.tally.present], [size, 0]);
    assert.deepEqual([second?.tally.fetched, second?.tally.present], [0, size]);
  });

  it('brings anew what is there with other bytes, and what it has brought is known to be right', async () => {
    await using around = await aside();
    const tar = await tarOf(layout);
    await around.load(tar);
    const [path] = put(content.layer);
    await writeFile(join(around.settings.imagePath, 'v1', path), Buffer.alloc(content.layer.length));
    const [second] = await around.load(tar);
    assert.equal(second?.tally.fetched, content.layer.length);
    const blob = `quay.io/team/app/blobs/${sha256(content.layer)}`;
    const [answer] = await served(around, blob);
    assert.deepEqual([answer?.status, answer?.digest], [200, sha256(content.layer)]);
    assert.equal(answer?.headers['cache-control'], 'max-age=31536000, immutable');
  });

  it('has several images, of which one may be broken', async () => {
    await using around = await aside();
    const [one, two] = [image(1), image(2)];
    const manifests = [
      { ...described(ociManifest, one.manifest), ...named('quay.io/team/app:v1') },
      { ...described(ociManifest, two.manifest), ...named('quay.io/team/app:v2') },
      {
        ...described(ociManifest, one.manifest),
        annotations: {
          'io.containerd.image.name': 'docker.io/library/app:1',
          'org.opencontainers.image.ref.name': '1',
        },
      },
    ];
    const files = [...one.files, ...two.files.slice(1)];
    const images = await around.load(await tarOf([['index.json', { manifests }], ...files]));
    assert.deepEqual(problems(images), [
      ['quay.io/team/app:v1', undefined],
      ['quay.io/team/app:v2', `it lacks the blob ${sha256(two.layer)}`],
      ['docker.io/library/app:1', undefined],
    ]);
    const answers = await served(
      around,
      'quay.io/team/app/manifests/v2',
      'docker.io/library/app/manifests/1',
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [404, 200],
    );
  });

  it('may have a part of an index, which is served as it is', async () => {
    await using around = await aside();
    const [amd64, arm64] = [image(1), image(2)];
    const manifests = [
      { ...described(ociManifest, amd64.manifest), platform: { os: 'linux', architecture: 'amd64' } },
      { ...described(ociManifest, arm64.manifest), platform: { os: 'linux', architecture: 'arm64' } },
    ];
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests }));
    const root = { manifests: [{ ...described(ociIndex, index), ...named('quay.io/team/app:v1') }] };
    const tar = await tarOf([['index.json', root], put(index), ...amd64.files]);
    assert.deepEqual(problems(await around.load(tar)), [['quay.io/team/app:v1', undefined]]);
    const [got] = await served(around, 'quay.io/team/app/manifests/v1');
    assert.equal(got?.digest, sha256(index));
    const [none] = await around.load(tar, ['linux/arm64']);
    assert.match(none?.problem ?? '', /nothing in it/);
  });
});

describe('loading what was saved without manifests', () => {
  const layers = [Buffer.from(bytes(5000, 3)), Buffer.from(bytes(6000, 4))] as const;
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', rootfs: { type: 'layers', diff_ids: layers.map(sha256) } }),
  );
  const hex = (content: Uint8Array) => sha256(content).slice(7);
  const [first, second] = [`${hex(layers[0])}/layer.tar`, `${hex(layers[1])}/layer.tar`];
  const saved = (names: readonly string[]): File => [
    'manifest.json',
    [{ Config: `${hex(config)}.json`, RepoTags: names, Layers: [first, second] }],
  ];

  it('makes a manifest, always the same, by which it is served', async () => {
    await using around = await aside();
    const tar = await tarOf([
      ...([
        [`${hex(config)}.json`, config],
        [first, layers[0]],
        [second, layers[1]],
      ] as File[]),
      saved(['app:1', 'quay.io/team/app:1']),
    ]);
    const images = await around.load(tar);
    assert.deepEqual(problems(images), [
      ['app:1', undefined],
      ['quay.io/team/app:1', undefined],
    ]);
    assert.equal(images[0]?.digest, images[1]?.digest);
    assert.equal((await around.load(tar))[0]?.digest, images[0]?.digest);
    const answers = await served(
      around,
      'docker.io/library/app/manifests/1',
      `docker.io/library/app/blobs/${sha256(layers[1])}`,
      `quay.io/team/app/blobs/${sha256(config)}`,
    );
    assert.deepEqual(
      answers.map(({ status, digest }) => [status, digest]),
      [images[0]?.digest, sha256(layers[1]), sha256(config)].map((digest) => [200, digest]),
    );
  });

  it('knows the names that other programs give to its files, and its name if it is told', async () => {
    const layer = gzipSync(layers[0]);
    const one = Buffer.from(JSON.stringify({ rootfs: { diff_ids: [sha256(layers[0])] } }));
    for (const [configName, layerName] of [
      [sha256(one), `${hex(layer)}.tar.gz`],
      ['config.json', `${hex(layer)}.tar.gz`],
      [`blobs/sha256/${hex(one)}`, `blobs/sha256/${hex(layer)}.tar.gz`],
    ] as const) {
      await using around = await aside();
      const entry = { Config: configName, RepoTags: null, Layers: [layerName] };
      const files: File[] = [
        [configName, one],
        [layerName, layer],
      ];
      const tar = await tarOf([...files, ['manifest.json', [entry]]]);
      const [nameless] = await around.load(tar);
      assert.match(
        nameless?.problem ?? '',
        /^it does not say what its image is called: name it by --resolve-ref$/,
      );
      const images = await around.load(tar, [], { resolveRef: 'app:1' });
      assert.deepEqual(problems(images), [['app:1', undefined]]);
      const path = `docker.io/library/app/blobs/${sha256(layer)}`;
      const [manifest, blob] = await served(around, 'docker.io/library/app/manifests/1', path);
      assert.deepEqual([manifest?.digest, blob?.digest], [images[0]?.digest, sha256(layer)]);
    }
  });

  it('takes the layout where both are there, as nerdctl save and docker save have it, of an index with one platform', async () => {
    await using around = await aside();
    const [own, other] = [image(1), image(2)];
    const children = [own, other].map(({ manifest }, at) => ({
      ...described(ociManifest, manifest),
      platform: { os: 'linux', architecture: ['amd64', 'arm64'][at] },
    }));
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: children }));
    const annotations = {
      'io.containerd.image.name': 'docker.io/library/app:1',
      'org.opencontainers.image.ref.name': '1',
    };
    const entry = {
      ...{ Config: put(own.config)[0], RepoTags: ['docker.io/library/app:1'], Layers: [put(own.layer)[0]] },
    };
    // In the order of containerd's exporter (core/images/archive).
    const tar = await tarOf([
      put(index),
      ...own.files,
      ['index.json', { schemaVersion: 2, manifests: [{ ...described(ociIndex, index), annotations }] }],
      ['manifest.json', [entry]],
      layoutFile,
    ]);
    const images = await around.load(tar);
    assert.deepEqual(
      images.map(({ name, problem, digest }) => [name, problem, digest]),
      [['docker.io/library/app:1', undefined, sha256(index)]],
    );
    const answers = await served(
      around,
      'docker.io/library/app/manifests/1',
      `docker.io/library/app/manifests/${sha256(own.manifest)}`,
      `docker.io/library/app/blobs/${sha256(own.layer)}`,
    );
    assert.deepEqual(
      answers.map((answer) => answer.digest),
      [index, own.manifest, own.layer].map(sha256),
    );
  });

  it('follows links between layers', async () => {
    await using around = await aside();
    const twice = Buffer.from(
      JSON.stringify({ rootfs: { diff_ids: [sha256(layers[0]), sha256(layers[0])] } }),
    );
    const link = `${'a'.repeat(64)}/layer.tar`;
    const tar = await tarOf([
      [`${hex(twice)}.json`, twice],
      [link, { link: `../${first}` }],
      [first, layers[0]],
      ['manifest.json', [{ Config: `${hex(twice)}.json`, RepoTags: ['app:1'], Layers: [first, link] }]],
    ]);
    assert.deepEqual(problems(await around.load(tar)), [['app:1', undefined]]);
  });

  it('refuses a layer that is not its image’s, and one that is missing', async () => {
    await using around = await aside();
    const wrong = await tarOf([
      [`${hex(config)}.json`, config],
      [first, layers[1]],
      [second, layers[0]],
      saved(['app:1']),
    ]);
    assert.match((await around.load(wrong))[0]?.problem ?? '', /^app:1: .*layer.tar is not the layer that/);
    const less = await tarOf([[`${hex(config)}.json`, config], [first, layers[0]], saved(['app:1'])]);
    assert.match((await around.load(less))[0]?.problem ?? '', /^app:1: ".*layer.tar" is missing$/);
  });
});

describe('a tar that a server loads when it starts', () => {
  it('is served by it, also what was asked for before', async () => {
    await using around = await aside();
    const content = image(1);
    const file = `${around.settings.imagePath}.tar`;
    await writeFile(file, await tarOf(layoutOf(content, 'quay.io/team/app:v1')));
    const app = await runApp({ ...around.settings, preloadImages: file });
    await using _ = app;
    const giveUpAt = Date.now() + 10_000;
    while ((await ask(app.server, '/v2/quay.io/team/app/manifests/v1')).status !== 200) {
      assert.ok(Date.now() < giveUpAt, 'not loaded');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const blob = await ask(app.server, `/v2/quay.io/team/app/blobs/${sha256(content.layer)}`);
    assert.equal(sha256(blob.body), sha256(content.layer));
  });
});

describe('a tar that is loaded into a cache that is open', () => {
  it('is on the list of tags that other tools read', async () => {
    await using around = await aside();
    await around.load(await tarOf(layoutOf(image(1), 'quay.io/team/app:v1')));
    const list = await readFile(join(around.settings.imagePath, 'v1', 'index.json'), 'utf8');
    assert.match(list, /"quay\.io\/team\/app:v1"/);
  });

  it('moves a tag that was remembered', async () => {
    await using around = await aside();
    const [before, after] = [image(1), image(2)];
    const name = 'quay.io/team/app';
    await around.load(await tarOf(layoutOf(before, `${name}:v1`)));
    const { config } = await loadConfig({ flags: around.settings, env: {} });
    const log = new LogLines();
    await using caching = await openCaching(config, {
      ...{ version: '0', env: {}, log, clock: systemClock, random: () => 0.5, completes: false },
      files: await filePlan(1, log),
      says() {},
    });
    const digest = async () => {
      const registry = caching.registries.of(hostOf(repository(name)));
      return (await registry.getManifest(repository(name), parseTag('v1'))).descriptor.digest;
    };
    assert.equal(await digest(), sha256(before.manifest));
    const file = `${around.settings.imagePath}.tar`;
    await writeFile(file, await tarOf(layoutOf(after, `${name}:v1`)));
    const archives = [{ name: file, kind: 'archive' as const }];
    const signal = new AbortController().signal;
    const wanted = { platforms: [], referrers: false };
    await loadInto(caching, config, { images: [], archives }, wanted, {
      ...{ clock: systemClock, signal },
      ended: ({ problem }) => assert.equal(problem, undefined),
    });
    assert.equal(await digest(), sha256(after.manifest));
  });
});

describe('a tar that is wrong', () => {
  const content = image(7);
  const layout = layoutOf(content, 'quay.io/team/app:v1');

  it('is named with what is wrong, and nothing of it is served', async () => {
    const tar = await tarOf(layout);
    const [path] = content.files[0] ?? assert.fail();
    const wrong = layout.map(
      ([name, file]): File => (name === path ? [name, bytes(150_000, 8)] : [name, file]),
    );
    const cases: [string, Uint8Array, RegExp][] = [
      ['cut', tar.subarray(0, 100_000), /^the tar (?:breaks off within|cannot be read behind) "blobs/],
      [
        'cut while compressed',
        gzipSync(tar).subarray(0, 100_000),
        /^the tar (?:breaks off within|cannot be read behind) "blobs/,
      ],
      [
        'cut while compressed by zstd',
        zstdCompressSync(tar).subarray(0, 100_000),
        /^the tar (?:breaks off within|cannot be read behind) /,
      ],
      ['with a wrong blob', await tarOf(wrong), /^"blobs\/sha256\/[0-9a-f]+": wrong bytes/],
      [
        'compressed otherwise',
        Buffer.from('fd377a585a000004', 'hex'),
        /^it is compressed by xz, which is not read here: decompress it first$/,
      ],
      ['of something else', await tarOf([['README', 'x']]), /^there is no image in it/],
      ['without names', await tarOf(layoutOf(content, 'v1')), /^it does not say what its image is called/],
      [
        'with a wrong index',
        await tarOf([['index.json', 'x'], ...content.files]),
        /^index.json that is not JSON$/,
      ],
    ];
    for (const [what, archive, problem] of cases) {
      await using around = await aside();
      const images = await around.load(archive);
      assert.match(images[0]?.problem ?? '', problem, what);
      // It is told once.
      assert.equal(images.length, 1, `${what}: ${JSON.stringify(problems(images))}`);
      const [answer] = await served(around, 'quay.io/team/app/manifests/v1');
      assert.equal(answer?.status, 404, what);
    }
  });
});

describe('a tar with something in it that is wrong', () => {
  const [one, two] = [image(7), image(8)];
  const name = 'quay.io/team/app';
  const both = [one, two].map(({ manifest }, at) => ({
    ...described(ociManifest, manifest),
    ...named(`${name}:v${at + 1}`),
  }));
  const files: File[] = [['index.json', { manifests: both }], ...one.files, ...two.files];

  it('is loaded without that, which is told: paths that lead out, also as links', async () => {
    const wrong: [File, string][] = [
      [['../../etc/x', 'x'], '../../etc/x'],
      [['/etc/x', 'x'], '/etc/x'],
      [['a', { link: '../b' }], '../b'],
    ];
    for (const [file, path] of wrong) {
      await using around = await aside();
      assert.deepEqual(problems(await around.load(await tarOf([file, ...files]))), [
        [`${name}:v1`, undefined],
        [`${name}:v2`, undefined],
        ['DIR/a.tar', `the tar has a path that leads out of it: ${JSON.stringify(path)}`],
      ]);
      const [answer] = await served(around, `${name}/manifests/v2`);
      assert.equal(answer?.status, 200);
    }
  });

  it('is loaded as far as it can be read, and says once what that costs', async () => {
    const tar = await tarOf(files);
    for (const cut of [tar.subarray(0, 250_000), gzipSync(tar).subarray(0, 250_000)]) {
      await using around = await aside();
      const [loaded, told, more] = await around.load(cut);
      assert.deepEqual([loaded?.name, loaded?.problem, more], [`${name}:v1`, undefined, undefined]);
      assert.deepEqual([told?.name, told?.costs], ['DIR/a.tar', [`${name}:v2`]]);
      assert.match(
        told?.problem ?? '',
        /^the tar .* "blobs\/sha256\/.*; not whole without it: quay.io\/team\/app:v2$/,
      );
      const answers = await served(around, `${name}/manifests/v1`, `${name}/manifests/v2`);
      assert.deepEqual(
        answers.map(({ status }) => status),
        [200, 404],
      );
    }
  });
});

function inPieces(tar: Buffer, compress: (piece: Buffer) => Buffer): Buffer {
  const middle = Math.floor(tar.length / 2);
  return Buffer.concat([compress(tar.subarray(0, middle)), compress(tar.subarray(middle))]);
}
