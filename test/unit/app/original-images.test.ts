import assert from 'node:assert/strict';
import { readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Caching } from '#src/app/caching.ts';
import { beginOriginalImport } from '#src/app/original-images.ts';
import { pruneImages } from '#src/app/prune.ts';
import { systemClock } from '#src/base/clock.ts';
import { OriginalDirectory } from '#src/bundle/original-directory.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { type Built, builtImage, builtIndex, layoutFiles } from '#test/fakes/layouts.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { writeOriginal } from '#test/fakes/original-directory.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp } from '#test/fakes/running-app.ts';

const hex = (content: Uint8Array) => sha256(content).slice('sha256:'.length);

const [amd64, arm64, plain] = [builtImage(1), builtImage(2), builtImage(3)];
const multi = builtIndex({ amd64, arm64 });
const images = {
  'docker.io/library/plain:latest': plain,
  'quay.io/team/multi:v1': multi,
  [`quay.io/team/multi@${sha256(amd64.manifest)}`]: amd64,
};
const wanted: [string, Buffer][] = [
  ['docker.io/library/plain/manifests/latest', plain.manifest],
  ['quay.io/team/multi/manifests/v1', multi.manifest],
  [`quay.io/team/multi/manifests/${sha256(amd64.manifest)}`, amd64.manifest],
  [
    `quay.io/team/multi/blobs/${sha256(amd64.contents[0] ?? assert.fail())}`,
    amd64.contents[0] ?? assert.fail(),
  ],
];
const layerFile = (directory: string, { contents }: Built) =>
  join(directory, 'blobs', hex(contents[0] ?? assert.fail()));

/** All its files with what they are. */
async function pictureOf(directory: string): Promise<string[]> {
  const lines: string[] = [];
  for (const folder of ['lts', 'img', 'blobs'])
    for (const name of (await readdir(join(directory, folder))).sort()) {
      const path = join(directory, folder, name);
      const { mode, mtimeMs, size } = await stat(path);
      lines.push(`${folder}/${name} ${mode} ${mtimeMs} ${size} ${sha256(await readFile(path))}`);
    }
  return lines;
}

describe('the directory of Ociregistry 1.17', () => {
  it('is imported by second names of its files, and stays as it is', async () => {
    await using cache = await CacheDirectory.make();
    const directory = join(cache.path, 'old');
    await writeOriginal(directory, images);
    const before = await pictureOf(directory);
    const imported = await cache.import([directory]);
    assert.deepEqual(
      problemsOf(imported).sort(),
      Object.keys(images)
        .sort()
        .map((name) => [name, undefined]),
    );
    assert.deepEqual(
      await cache.served(...wanted.map(([path]) => path)),
      wanted.map(([, content]) => [200, sha256(content)]),
    );
    assert.deepEqual(await pictureOf(directory), before);
    const layer = sha256(plain.contents[0] ?? assert.fail()).slice(7);
    const [theirs, ours] = [layerFile(directory, plain), join(cache.imagePath, 'v1/blobs/sha256', layer)];
    assert.equal((await stat(theirs)).ino, (await stat(ours)).ino);
    assert.deepEqual(await readdir(join(cache.imagePath, 'v1/partial')), []);
    const again = await cache.import([directory]);
    assert.ok(again.every(({ problem }) => problem === undefined));
    assert.deepEqual(await readdir(join(cache.imagePath, 'v1/partial')), []);
  });

  it('may have torn files: they are named and left out', async () => {
    await using cache = await CacheDirectory.make();
    const directory = join(cache.path, 'old');
    await writeOriginal(directory, images);
    await truncate(layerFile(directory, plain), 1000);
    await writeFile(join(directory, 'img', 'a'.repeat(64)), '{"type":3,');
    await writeFile(
      join(directory, 'img', hex(arm64.manifest)),
      JSON.stringify({
        ...{ type: 3, digest: hex(arm64.manifest), imageUrl: 'quay.io/team/lie:v1' },
        bytes: Buffer.from('{}').toString('base64'),
      }),
    );
    const problems = new Map(problemsOf(await cache.import([directory])) as [string, string][]);
    assert.match(problems.get('docker.io/library/plain:latest') ?? '', /wrong bytes/);
    assert.match(problems.get('DIR/old') ?? '', /img\/a+: .*not JSON/);
    assert.match(problems.get('quay.io/team/lie:v1') ?? '', /wrong bytes/);
    // Of an index the rest is there.
    assert.match(
      problems.get('quay.io/team/multi:v1') ?? '',
      /^all but a part of it is loaded: sha256:[0-9a-f]+: .*wrong bytes/,
    );
    const [status, ...others] = await cache.served(
      'docker.io/library/plain/manifests/latest',
      ...wanted.slice(1).map(([path]) => path),
    );
    assert.equal(status?.[0], 404);
    assert.deepEqual(
      others,
      wanted.slice(1).map(([, content]) => [200, sha256(content)]),
    );
  });

  it('does not move a tag that was checked later back', async () => {
    await using cache = await CacheDirectory.make();
    const newer = builtImage(8);
    await cache.import([await cache.folder('new', layoutFiles({ 'docker.io/library/plain:latest': newer }))]);
    const directory = join(cache.path, 'old');
    await writeOriginal(directory, images);
    await cache.import([directory]);
    const [tag] = await cache.served('docker.io/library/plain/manifests/latest');
    assert.equal(tag?.[1], sha256(newer.manifest));
  });
});

describe('a server that starts beside the data of 1.17', () => {
  async function started(cache: CacheDirectory) {
    const log = new LogLines();
    const app = await runApp(cache.settings, { log });
    return { log, app, [Symbol.asyncDispose]: async () => await app[Symbol.asyncDispose]() };
  }

  async function until(done: () => Promise<boolean> | boolean): Promise<void> {
    const giveUpAt = Date.now() + 10_000;
    while (!(await done())) {
      assert.ok(Date.now() < giveUpAt, 'it did not come to its end');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  const said = (log: LogLines, text: string) => log.lines.some((line) => line.includes(text));
  const counted = (log: LogLines, text: string) => log.lines.filter((line) => line.includes(text)).length;

  async function prune(cache: CacheDirectory, pattern: string): Promise<void> {
    const { config } = await loadConfig({ flags: cache.settings, env: {} });
    const removed: string[] = [];
    await pruneImages(
      config,
      { matches: (name) => name.includes(pattern) },
      false,
      async ({ tags }) => void removed.push(...tags),
      { log: new LogLines(), signal: new AbortController().signal },
    );
    assert.equal(removed.length, 1);
  }

  async function startedTo(cache: CacheDirectory): Promise<LogLines> {
    await using server = await started(cache);
    await until(() => said(server.log, 'the images of 1.17 are imported'));
    return server.log;
  }

  it('does not look again at what it has imported or refused, and does not bring back what was pruned', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, { ...images, 'quay.io/team/torn:v1': builtImage(5) });
    const torn = layerFile(cache.imagePath, builtImage(5));
    await truncate(torn, 1000);
    await writeFile(join(cache.imagePath, 'img', 'a'.repeat(64)), '{"type":3,');
    const first = await startedTo(cache);
    assert.equal(counted(first, 'an image of 1.17 is imported'), 3);
    assert.equal(counted(first, 'an image of 1.17 cannot be imported'), 2);
    await prune(cache, 'plain:latest');
    const second = await startedTo(cache);
    assert.ok(!said(second, 'an image of 1.17'));
    assert.ok(
      second.lines.some((line) => /passedOver: 5,\s+refused: 2/.test(line)),
      second.lines.join('\n'),
    );
    const [pruned, other] = await cache.served(...wanted.map(([path]) => path).slice(0, 2));
    assert.deepEqual([pruned?.[0], other?.[0]], [404, 200]);
    // What is mended in its place is taken, and that alone.
    await writeFile(torn, builtImage(5).contents[0] ?? assert.fail());
    const third = await startedTo(cache);
    assert.equal(counted(third, 'an image of 1.17 is imported'), 1);
    const [still] = await cache.served(wanted[0]?.[0] ?? '');
    assert.equal(still?.[0], 404);
  });

  it('moves no tag back where the index was lost, which knew better by then', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    await startedTo(cache);
    const newer = builtImage(8);
    await cache.import([await cache.folder('new', layoutFiles({ 'docker.io/library/plain:latest': newer }))]);
    for (const suffix of ['', '-wal', '-shm'])
      await rm(join(cache.imagePath, 'v1', `index-3.sqlite${suffix}`), { force: true });
    await startedTo(cache);
    const [tag] = await cache.served('docker.io/library/plain/manifests/latest');
    assert.deepEqual(tag, [200, sha256(newer.manifest)]);
  });

  /** Whose index cannot be asked. */
  async function damaged() {
    const cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    const log = new LogLines();
    let asked = 0;
    const getTakenOver = async (): Promise<never> => {
      asked += 1;
      return await Promise.reject(new Error('the page is damaged'));
    };
    const caching = { store: { metadata: { getTakenOver } } } as unknown as Caching;
    const begin = (isKnown?: Promise<boolean>) =>
      beginOriginalImport(cache, caching, { clock: systemClock, log, isKnown });
    return {
      log,
      begin,
      asked: () => asked,
      [Symbol.asyncDispose]: async () => await cache[Symbol.asyncDispose](),
    };
  }

  it('starts where it cannot be told what was imported', async () => {
    await using it = await damaged();
    await using _ = it.begin();
    await until(() => said(it.log, 'error importing the images of 1.17'));
    assert.ok(said(it.log, 'the page is damaged'));
  });

  it('imports nothing before the index knows again what it knew, and nothing where it does not', async () => {
    await using it = await damaged();
    const pause = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 50));
    const known = Promise.withResolvers<boolean>();
    await using _ = it.begin(known.promise);
    {
      await using _never = it.begin(Promise.withResolvers<boolean>().promise);
      await using _not = it.begin(Promise.resolve(false));
      await pause();
      assert.equal(it.asked(), 0);
    }
    known.resolve(true);
    await until(() => it.asked() === 1);
    assert.equal(it.asked(), 1);
  });

  it('has nothing to do with what was imported by hand, by which all is taken', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    assert.equal((await cache.import([cache.imagePath])).length, 3);
    await prune(cache, 'plain:latest');
    assert.ok(!said(await startedTo(cache), 'an image of 1.17'));
    assert.equal((await cache.served(wanted[0]?.[0] ?? ''))[0]?.[0], 404);
    await cache.import([cache.imagePath]);
    assert.equal((await cache.served(wanted[0]?.[0] ?? ''))[0]?.[0], 200);
  });

  it('remembers what it was told is settled, also in a copy of the directory, until that changes', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    const [entry, plainEntry] = [
      join('img', hex(multi.manifest)),
      join(cache.imagePath, 'lts', hex(plain.manifest)),
    ];
    const then = new Date(1_700_000_000_000);
    await utimes(plainEntry, then, then);
    const known = new Map<string, string>();
    const memory = {
      stateOf: async (name: string) => known.get(name),
      settle: async (name: string, state: string) => void known.set(name, state),
    };
    const names = async (): Promise<string[]> => {
      const found = [];
      for await (const image of new OriginalDirectory(cache.imagePath, memory).images()) {
        if (typeof image === 'string') continue;
        found.push(image.name);
        if (image.name !== 'quay.io/team/multi:v1') await image.settled?.({ problem: undefined });
      }
      return found.sort();
    };
    assert.equal((await names()).length, 3);
    assert.deepEqual(await names(), ['quay.io/team/multi:v1']);
    assert.ok(!known.has(entry));
    const copy = await readFile(plainEntry);
    await rm(plainEntry);
    await writeFile(plainEntry, copy);
    await utimes(plainEntry, then, then);
    assert.deepEqual(await names(), ['quay.io/team/multi:v1']);
    await utimes(plainEntry, then, new Date());
    assert.deepEqual(await names(), ['docker.io/library/plain:latest', 'quay.io/team/multi:v1']);
  });

  it('imports it while it serves, once, and again when something came', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    {
      await using server = await started(cache);
      await until(() => said(server.log, 'the images of 1.17 are imported'));
      for (const [path, content] of wanted) {
        const { status, body } = await ask(server.app.server, `/v2/${path}`);
        assert.deepEqual([status, sha256(body)], [200, sha256(content)]);
      }
    }
    {
      await using server = await started(cache);
      assert.ok(!said(server.log, '1.17'));
    }
    await writeOriginal(cache.imagePath, { 'quay.io/team/more:v1': builtImage(9) });
    await using server = await started(cache);
    await until(() => said(server.log, 'the images of 1.17 are imported'));
    assert.equal((await ask(server.app.server, '/v2/quay.io/team/more/manifests/v1')).status, 200);
  });

  it('tries again what was torn, at its next start', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    const layer = layerFile(cache.imagePath, plain);
    const whole = await readFile(layer);
    await writeFile(layer, whole.subarray(0, 1000));
    {
      await using server = await started(cache);
      await until(() => said(server.log, 'the images of 1.17 are imported'));
    }
    await writeFile(layer, whole);
    await using server = await started(cache);
    await until(() => said(server.log, 'the images of 1.17 are imported'));
    assert.equal((await ask(server.app.server, '/v2/docker.io/library/plain/manifests/latest')).status, 200);
  });

  it('ends with the server', async () => {
    await using cache = await CacheDirectory.make();
    await writeOriginal(cache.imagePath, images);
    {
      await using _ = await started(cache);
    }
    await rm(join(cache.imagePath, 'blobs'), { recursive: true });
    await using server = await started(cache);
    assert.ok(!said(server.log, '1.17'));
  });
});
