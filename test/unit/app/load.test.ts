import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { imagesToLoad, loadImages } from '#src/app/load.ts';
import { loadConfig } from '#src/config/load.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { parsePlatform } from '#src/oci/platform.ts';
import { parseReference, parseTag, repositoryName } from '#src/oci/reference.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines, watched } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

interface Loading {
  readonly platforms?: readonly string[];
  readonly referrers?: boolean;
  readonly signal?: AbortSignal;
  /** Paths of tars, and of layouts that are folders. */
  readonly archives?: readonly string[];
  readonly ended?: (image: LoadedImage) => void;
}

/** A directory, an upstream, and what loads from one into the other. */
async function aside() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { complete: false, negativeTtl: '0s' },
  };
  const { config } = await loadConfig({ flags: settings, env: {} });
  const log = new LogLines();
  const load = async (
    names: readonly string[],
    {
      platforms = [],
      referrers = false,
      signal = new AbortController().signal,
      archives = [],
      ended: told,
    }: Loading = {},
  ): Promise<LoadedImage[]> => {
    const images = names.map((name) => {
      const [path = '', reference = ''] = name.split(/[:@](?=[^:]+$|sha256:)/);
      return {
        name,
        repository: repositoryName(upstream.host, path),
        reference: parseReference(reference),
      };
    });
    const ended: LoadedImage[] = [];
    const wanted = {
      platforms: platforms.map((text) => parsePlatform(text) ?? assert.fail()),
      referrers,
    };
    await loadImages(
      config,
      {
        images,
        archives: archives.map((path) => ({ name: path, kind: path.endsWith('/') ? 'layout' : 'archive' })),
      },
      wanted,
      {
        ...{ version: '0', env: {}, log: watched(log), random: () => 0.5, signal },
        ended: (image) => {
          ended.push(image);
          told?.(image);
        },
      },
    );
    return ended.toSorted((one, other) => names.indexOf(one.name) - names.indexOf(other.name));
  };
  const moved = stack.move();
  return {
    ...{ directory, upstream, settings, load, log },
    put: (path: string, tag: string, layers: readonly Uint8Array[]) =>
      putImage(upstream.content, upstream.repository(path), tag, layers),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

type Aside = Awaited<ReturnType<typeof aside>>;

/** An index of an image for each platform, `v1` of a repository. */
function putIndex({ upstream, put }: Aside, path: string, platforms: readonly string[]) {
  const images = platforms.map((platform, at) => {
    const [os, architecture, variant] = platform.split('/');
    return {
      image: put(path, `only-${at}`, [bytes(3000, at + 10)]),
      platform: { os, architecture, ...(variant !== undefined && { variant }) },
    };
  });
  const repository = upstream.repository(path);
  const [first] = images;
  const attestation = put(path, 'attestation', [bytes(50, 99)]).manifest;
  const manifests = [
    ...images.map(({ image, platform }) => ({ ...image.manifest, platform })),
    {
      ...attestation,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: { 'vnd.docker.reference.digest': first?.image.manifest.digest },
    },
  ];
  const text = JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests });
  const index = upstream.content.putManifest(repository, parseTag('v1'), Buffer.from(text), ociIndex);
  return { index, attestation, images: images.map(({ image }) => image), text };
}

/** All of an image from a server that is all there is, bit by bit. */
async function servedWithoutUpstream(
  { settings }: Aside,
  path: string,
  reference: string,
  image: Image,
): Promise<void> {
  const app = await runApp({ ...settings, airGapped: true });
  await using _ = app;
  const manifest = await ask(app.server, `/v2/up/${path}/manifests/${reference}`);
  assert.equal(manifest.headers['docker-content-digest'], image.manifest.digest);
  for (const { digest, size } of [image.config, ...image.layers]) {
    const blob = await ask(app.server, `/v2/up/${path}/blobs/${digest}`);
    assert.deepEqual([blob.status, blob.body.length], [200, size]);
  }
}

const problemsOf = (images: readonly LoadedImage[]) => images.map(({ name, problem }) => [name, problem]);

describe('loading images', () => {
  it('fills the directory, from which they are served without upstream', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    const image = put('team/app', 'v1', [bytes(200_000, 1), bytes(10, 2)]);
    const [loaded] = await load(['team/app:v1']);
    assert.deepEqual([loaded?.problem, loaded?.digest], [undefined, image.manifest.digest]);
    const { manifests, blobs, fetched, present } = loaded?.tally ?? {};
    const size = image.manifest.size + image.config.size + 200_010;
    assert.deepEqual([manifests, blobs, fetched, present], [1, 3, size, 0]);
    await upstream[Symbol.asyncDispose]();
    await servedWithoutUpstream(around, 'team/app', 'v1', image);
  });

  it('asks for nothing that is there: not a second time, nor after it broke off', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    put('team/app', 'v1', [bytes(5000, 1), bytes(6000, 2)]);
    const lost = put('team/app', 'v2', [bytes(6000, 2), bytes(7000, 3)]).layers[1]?.digest ?? assert.fail();
    let isLost = true;
    upstream.faults.push(async ({ path }, next) =>
      isLost && path.endsWith(lost) ? { status: 403, headers: {}, body: [] } : await next(),
    );
    const first = await load(['team/app:v1', 'team/app:v2']);
    assert.deepEqual(
      first.map(({ problem }) => problem === undefined),
      [true, false],
    );
    const before = upstream.calls.length;
    isLost = false;
    const second = await load(['team/app:v1', 'team/app:v2']);
    assert.deepEqual(problemsOf(second), [
      ['team/app:v1', undefined],
      ['team/app:v2', undefined],
    ]);
    const asked = upstream.calls.slice(before).filter((call) => !call.endsWith('/v2/'));
    assert.deepEqual(asked, [`GET /v2/team/app/blobs/${lost}`]);
    assert.equal(second[1]?.tally.fetched, 7000);
    const third = upstream.calls.length;
    const there = await load(['team/app:v1', 'team/app:v2']);
    assert.deepEqual(upstream.calls.slice(third), []);
    assert.deepEqual(
      there.map(({ tally }) => [tally.fetched, tally.present > 11_000]),
      [
        [0, true],
        [0, true],
      ],
    );
  });

  it('goes on with the others where one fails, and says why', async () => {
    await using around = await aside();
    const { load, put } = around;
    put('team/app', 'v1', [bytes(10, 1)]);
    const images = await load(['team/none:v1', 'team/app:v2', 'team/app:v1']);
    const ok = images.filter(({ problem }) => problem === undefined).map(({ name }) => name);
    assert.deepEqual(ok, ['team/app:v1']);
    for (const { name, problem } of images)
      if (name !== 'team/app:v1') assert.match(problem ?? '', /answered 404: .*not known|unknown/);
  });

  it('tries again what fails for a while', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    put('team/app', 'v1', [bytes(10, 1)]);
    let left = 1;
    upstream.faults.push(async ({ path }, next) => {
      if (!path.includes('/manifests/') || left === 0) return await next();
      left -= 1;
      return { status: 429, headers: { 'retry-after': '1' }, body: [] };
    });
    assert.deepEqual(problemsOf(await load(['team/app:v1'])), [['team/app:v1', undefined]]);
  });

  it('tries again what fails for a while, also where another image of the registry is broken for good', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    const broken = put('team/broken', 'v1', [bytes(10, 1)]).layers[0]?.digest ?? assert.fail();
    put('team/app', 'v1', [bytes(10, 2)]);
    upstream.faults.push(async ({ path }, next) =>
      path.endsWith(broken) ? { status: 500, headers: {}, body: [] } : await next(),
    );
    const isBroken = Promise.withResolvers<void>();
    // All the tries of the first time.
    let left = 3;
    upstream.faults.push(async ({ path }, next) => {
      if (!path.includes('/team/app/manifests/') || left === 0) return await next();
      left -= 1;
      await isBroken.promise;
      return { status: 503, headers: {}, body: [] };
    });
    const ended = ({ name }: LoadedImage): void => {
      if (name === 'team/broken:v1') isBroken.resolve();
    };
    const images = await load(['team/broken:v1', 'team/app:v1'], { ended });
    assert.deepEqual(
      images.map(({ problem }) => problem === undefined),
      [false, true],
    );
  });

  it('ends when it is told to, and says of the rest that it was', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    const [layer] = put('team/app', 'v1', [bytes(100_000, 1)]).layers;
    const stop = new AbortController();
    upstream.faults.push(async ({ path }, next) => {
      const answer = await next();
      if (!path.endsWith(layer?.digest ?? '')) return answer;
      async function* body() {
        yield bytes(1000, 1);
        stop.abort(new Error('interrupted'));
        await new Promise(() => {});
      }
      return { ...answer, body: body() };
    });
    const images = await load(['team/app:v1'], { signal: stop.signal });
    assert.deepEqual(problemsOf(images), [['team/app:v1', 'interrupted']]);
  });
});

describe('loading an index', () => {
  const platforms = ['linux/amd64', 'linux/arm64/v8', 'linux/arm/v7'];

  it('takes all platforms, if none is wanted', async () => {
    await using around = await aside();
    const { images, attestation } = putIndex(around, 'team/app', platforms);
    const [loaded] = await around.load(['team/app:v1']);
    assert.deepEqual([loaded?.problem, loaded?.tally.manifests], [undefined, 5]);
    await around.upstream[Symbol.asyncDispose]();
    for (const image of images) await servedWithoutUpstream(around, 'team/app', image.manifest.digest, image);
    assert.ok(attestation.size > 0);
  });

  it('takes the wanted platforms and what attests them; the index stays as it is, the others are fetched when they are asked for', async () => {
    await using around = await aside();
    const { upstream, settings, load } = around;
    const { index, images, attestation, text } = putIndex(around, 'team/app', platforms);
    const [amd64, arm64, arm] = images;
    assert.ok(amd64 && arm64 && arm);
    const [loaded] = await load(['team/app:v1'], { platforms: ['linux/arm64', 'linux/amd64'] });
    assert.deepEqual(
      [loaded?.problem, loaded?.digest, loaded?.tally.manifests],
      [undefined, index.digest, 4],
    );
    const asked = upstream.calls.join('\n');
    for (const { digest } of [amd64.manifest, arm64.manifest, attestation]) assert.ok(asked.includes(digest));
    assert.ok(!asked.includes(arm.manifest.digest));
    {
      await using app = await runApp(settings);
      const got = await ask(app.server, '/v2/up/team/app/manifests/v1');
      assert.equal(got.body.toString('utf8'), text);
      assert.equal((await ask(app.server, `/v2/up/team/app/manifests/${arm.manifest.digest}`)).status, 200);
    }
    await upstream[Symbol.asyncDispose]();
    await servedWithoutUpstream(around, 'team/app', arm64.manifest.digest, arm64);
  });

  it('is an error where it has nothing of what is wanted', async () => {
    await using around = await aside();
    putIndex(around, 'team/app', platforms);
    const [loaded] = await around.load(['team/app:v1'], { platforms: ['windows/amd64'] });
    assert.equal(
      loaded?.problem,
      'there is nothing for windows/amd64 in it, only for linux/amd64, linux/arm64, linux/arm/v7',
    );
  });

  it('is an error where it names nothing at all', async () => {
    await using around = await aside();
    const { content } = around.upstream;
    const text = JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [] });
    content.putManifest(around.upstream.repository('a/b'), parseTag('v1'), Buffer.from(text), ociIndex);
    const [loaded] = await around.load(['a/b:v1']);
    assert.equal(loaded?.problem, 'there is nothing in it: it names no blob');
  });
});

describe('loading what refers to an image', () => {
  it('brings signatures of both kinds, which are listed and served without upstream', async () => {
    await using around = await aside();
    const { upstream, settings, load, put } = around;
    const image = put('team/app', 'v1', [bytes(10, 1)]);
    const repository = upstream.repository('team/app');
    const config = upstream.content.putBlob(repository, Buffer.from('{}'));
    const layer = upstream.content.putBlob(repository, Buffer.from('signature'));
    const text = JSON.stringify({
      ...{ schemaVersion: 2, mediaType: ociManifest, config, layers: [layer] },
      ...{ artifactType: 'application/x.sig', subject: image.manifest },
    });
    const referrer = upstream.content.putManifest(repository, undefined, Buffer.from(text), ociManifest);
    const cosign = put('team/app', `sha256-${image.manifest.digest.slice(7)}.sig`, [bytes(20, 5)]);
    const [loaded] = await load(['team/app:v1'], { referrers: true });
    assert.deepEqual([loaded?.problem, loaded?.tally.manifests], [undefined, 3]);
    await upstream[Symbol.asyncDispose]();
    const app = await runApp({ ...settings, airGapped: true });
    await using _ = app;
    const list = await ask(app.server, `/v2/up/team/app/referrers/${image.manifest.digest}`);
    assert.ok(list.body.includes(referrer.digest));
    assert.equal((await ask(app.server, `/v2/up/team/app/blobs/${layer.digest}`)).status, 200);
    const tag = `/v2/up/team/app/manifests/sha256-${image.manifest.digest.slice(7)}.sig`;
    assert.equal((await ask(app.server, tag)).headers['docker-content-digest'], cosign.manifest.digest);
  });
});

describe('loading a signature under a tag', () => {
  it('fails where the signature is there and its blob is not', async () => {
    await using around = await aside();
    const { upstream, load, put } = around;
    const image = put('team/app', 'v1', [bytes(10, 1)]);
    const lost = put('team/app', `sha256-${image.manifest.digest.slice(7)}.sig`, [bytes(20, 5)]).layers[0]
      ?.digest;
    upstream.faults.push(async ({ path }, next) =>
      path.endsWith(lost ?? '?') ? { status: 404, headers: {}, body: [] } : await next(),
    );
    const [loaded] = await load(['team/app:v1'], { referrers: true });
    assert.match(loaded?.problem ?? '', /404/);
  });
});

describe('loading beside a server on the same directory', () => {
  it('is noticed by it, also where it had looked before', async () => {
    await using around = await aside();
    const { settings, load, put } = around;
    const image = put('team/app', 'v1', [bytes(100_000, 1)]);
    await using app = await runApp({ ...settings, airGapped: true });
    const path = '/v2/up/team/app/manifests/v1';
    assert.equal((await ask(app.server, path)).status, 404);
    const layer = image.layers[0]?.digest ?? assert.fail();
    assert.equal((await ask(app.server, `/v2/up/team/app/blobs/${layer}`)).status, 404);
    assert.deepEqual(problemsOf(await load(['team/app:v1'])), [['team/app:v1', undefined]]);
    const giveUpAt = Date.now() + 10_000;
    while ((await ask(app.server, path)).status !== 200) assert.ok(Date.now() < giveUpAt, 'not noticed');
    assert.equal((await ask(app.server, `/v2/up/team/app/blobs/${layer}`)).status, 200);
  });
});

describe('two loads at once', () => {
  it('both end well, and leave what a server serves', async () => {
    await using around = await aside();
    const image = around.put('team/app', 'v1', [bytes(300_000, 1), bytes(5000, 2)]);
    const both = await Promise.all([around.load(['team/app:v1']), around.load(['team/app:v1'])]);
    for (const images of both) assert.deepEqual(problemsOf(images), [['team/app:v1', undefined]]);
    await around.upstream[Symbol.asyncDispose]();
    await servedWithoutUpstream(around, 'team/app', 'v1', image);
  });
});

describe('images that a server loads when it starts', () => {
  it('come while it serves; what fails is logged', async () => {
    await using around = await aside();
    const { upstream, directory, settings, put } = around;
    const image = put('team/app', 'v1', [bytes(1000, 1)]);
    const file = `${directory.path}/images.txt`;
    await writeFile(file, 'up/team/app:v1\nup/team/none:v1\n');
    const log = new LogLines();
    {
      await using app = await runApp({ ...settings, preloadImages: file }, { log });
      assert.equal((await ask(app.server, '/v2/')).status, 200);
      const giveUpAt = Date.now() + 10_000;
      while (!log.lines.some((line) => line.includes('images are loaded'))) {
        assert.ok(Date.now() < giveUpAt, 'not loaded');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    assert.match(log.at('error').join('\n'), /an image cannot be loaded.*team\/none:v1/s);
    await upstream[Symbol.asyncDispose]();
    await servedWithoutUpstream(around, 'team/app', 'v1', image);
  });

  it('are kept where upstream cannot say whether they are still the same, which is a warning', async () => {
    await using around = await aside();
    const { upstream, directory, settings, load, put } = around;
    const image = put('team/app', 'v1', [bytes(1000, 1)]);
    await load(['team/app:v1']);
    await upstream[Symbol.asyncDispose]();
    const file = `${directory.path}/images.txt`;
    await writeFile(file, 'up/team/app:v1\n');
    const log = new LogLines();
    const cache = { ...settings.cache, freshness: 'always' };
    await using _ = await runApp({ ...settings, cache, preloadImages: file }, { log });
    const giveUpAt = Date.now() + 20_000;
    while (!log.lines.some((line) => line.includes('images are loaded'))) {
      assert.ok(Date.now() < giveUpAt, 'not ended');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(log.at('warn').join('\n'), /an image is kept as it was/);
    assert.ok(log.at('warn').join('\n').includes(image.manifest.digest));
  });

  it('wait for an index that was lost, and is made anew: what lies here is not pulled again', async () => {
    await using around = await aside();
    const { upstream, directory, settings, load, put } = around;
    put('team/app', 'v1', [bytes(1000, 1)]);
    await load(['team/app:v1']);
    const v1 = `${directory.path}/v1`;
    for (const suffix of ['', '-wal', '-shm']) await rm(`${v1}/index-3.sqlite${suffix}`, { force: true });
    // It takes a while to find that of so many images nothing is here.
    const list = (await readFile(`${v1}/index.json`, 'utf8')).split('\n');
    const line = list.find((text) => text.includes('team/app:v1')) ?? assert.fail();
    const lost = Array.from({ length: 3000 }, (_, at) => {
      const digest = `sha256:${at.toString(16).padStart(64, '0')}`;
      return line
        .replace(/sha256:[0-9a-f]+/, digest)
        .replace('app:v1', `app:gone-${at}`)
        .replace(/,?$/, ',');
    });
    await writeFile(`${v1}/index.json`, [list[0], ...lost, ...list.slice(1)].join('\n'));
    const file = `${directory.path}/images.txt`;
    await writeFile(file, 'up/team/app:v1\n');
    upstream.requests.length = 0;
    const log = new LogLines();
    await using _ = await runApp({ ...settings, preloadImages: file }, { log });
    const giveUpAt = Date.now() + 20_000;
    while (!log.lines.some((text) => text.includes('images are loaded'))) {
      assert.ok(Date.now() < giveUpAt, 'not ended');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const told = ['the index is made anew', 'images are loaded'];
    const places = told.map((words) => log.lines.findIndex((text) => text.includes(words)));
    assert.deepEqual(
      places,
      places.toSorted((one, other) => one - other),
    );
    assert.deepEqual(
      upstream.calls.filter((call) => call.startsWith('GET ') && call.includes('/team/app/')),
      [],
    );
  });

  it('may be named by somebody who never says them: it ends all the same', async () => {
    await using around = await aside();
    const { config } = await loadConfig({ flags: around.settings, env: {} });
    const reading = Promise.withResolvers<void>();
    async function* silent(): AsyncGenerator<Uint8Array> {
      reading.resolve();
      await new Promise(() => {});
      yield new Uint8Array();
    }
    const stop = new AbortController();
    const loading = imagesToLoad(config, '-', silent(), stop.signal);
    await reading.promise;
    stop.abort(new Error('the server is stopping'));
    await assert.rejects(loading, /the server is stopping/);
  });

  it('keep it neither from starting nor from ending', async () => {
    await using around = await aside();
    const { upstream, directory, settings, put } = around;
    put('team/app', 'v1', [bytes(1000, 1)]);
    upstream.faults.push(async ({ path }, next) =>
      path.includes('/manifests/') ? await new Promise(() => {}) : await next(),
    );
    const file = `${directory.path}/images.txt`;
    await writeFile(file, 'up/team/app:v1\n');
    const log = new LogLines();
    {
      await using app = await runApp({ ...settings, preloadImages: file }, { log });
      assert.equal((await ask(app.server, '/v2/')).status, 200);
      await upstream.asked(1);
    }
    assert.deepEqual(log.at('error'), []);
    await using _ = await runApp({ ...settings, preloadImages: '/no/such/file' }, { log });
    const giveUpAt = Date.now() + 10_000;
    while (log.at('error').length === 0) {
      assert.ok(Date.now() < giveUpAt, 'not logged');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.match(log.at('error').join(), /error loading images.*no files matched/s);
  });
});
