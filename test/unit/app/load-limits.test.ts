import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { importImages } from '#src/app/import.ts';
import { loadImages } from '#src/app/load.ts';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { parseReference, repositoryName } from '#src/oci/reference.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { builtImage, layoutFiles } from '#test/fakes/layouts.ts';
import { LogLines, watched } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { tarOf } from '#test/fakes/tars.ts';

const layerSize = 150_000;
const most = 3.1 * layerSize;
const refused = 'the cache may not hold so much';

/** A directory that may hold three images and is served by nobody; somebody may set the clock, by which no pause is long. */
async function aside() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const imagePath = join(directory.path, 'cache');
  const flags = {
    imagePath,
    registries: [{ name: upstream.host, scheme: 'http' as const }],
    cache: { complete: false, maxSize: most },
  };
  const { config } = await loadConfig({ flags, env: {} });
  let aheadMs = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => Date.now() + aheadMs,
    sleep: async (ms, signal) => await systemClock.sleep(Math.min(ms, 50), signal),
  };
  const running = (ended: LoadedImage[]) => ({
    ...{ version: '0', env: {}, clock, signal: new AbortController().signal },
    log: watched(new LogLines()),
    ended: (image: LoadedImage) => void ended.push(image),
  });
  const problems = (ended: readonly LoadedImage[]) => ended.map(({ problem }) => problem);
  const load = async (...seeds: number[]) => {
    const images = seeds.map((seed) => {
      putImage(upstream.content, upstream.repository('team/app'), `v${seed}`, [bytes(layerSize, seed)]);
      const repository = repositoryName(upstream.host, 'team/app');
      return { name: `v${seed}`, repository, reference: parseReference(`v${seed}`) };
    });
    const ended: LoadedImage[] = [];
    const wanted = { platforms: [], referrers: false };
    await loadImages(config, { images }, wanted, { ...running(ended), parallel: 1 });
    return problems(ended);
  };
  const importTar = async (...seeds: number[]) => {
    const images = seeds.map((seed) => [`quay.io/team/app:v${seed}`, builtImage(seed, { size: layerSize })]);
    const path = join(directory.path, 'bundle.tar');
    await writeFile(path, await tarOf(layoutFiles(Object.fromEntries(images))));
    const ended: LoadedImage[] = [];
    await importImages(config, { paths: [path], host: undefined, platforms: [] }, running(ended));
    return problems(ended);
  };
  const moved = stack.move();
  return {
    ...{ load, importTar },
    /** What all that is stored, or was and waits to be removed, has. Bytes. */
    size: async () => {
      let sum = 0;
      for (const folder of ['blobs/sha256', 'partial', 'trash']) {
        const path = join(imagePath, 'v1', folder);
        for (const name of await readdir(path).catch(() => [])) sum += (await stat(join(path, name))).size;
      }
      return sum;
    },
    later: () => {
      aheadMs += 3_600_000;
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('a directory that is filled while nobody serves it', () => {
  it('keeps within its limits by load: the older give way, and what is left over is told', {
    timeout: 60_000,
  }, async () => {
    await using cache = await aside();
    assert.deepEqual(await cache.load(1, 2, 3), [undefined, undefined, undefined]);
    assert.deepEqual(await cache.load(4), [refused]);
    cache.later();
    assert.deepEqual(await cache.load(5, 6), [undefined, undefined]);
    assert.ok((await cache.size()) <= most, `${await cache.size()}`);
  });

  it('keeps within its limits by import', { timeout: 60_000 }, async () => {
    await using cache = await aside();
    assert.deepEqual(await cache.load(1, 2), [undefined, undefined]);
    const [problem] = await cache.importTar(11, 12);
    assert.equal(problem, refused);
    cache.later();
    assert.deepEqual(await cache.importTar(11, 12), [undefined, undefined]);
    assert.ok((await cache.size()) <= most + layerSize, `${await cache.size()}`);
  });

  it('keeps within its limits while an archive is read, before anything names what it brings', {
    timeout: 60_000,
  }, async () => {
    await using cache = await aside();
    const problems = await cache.importTar(11, 12, 13, 14, 15, 16);
    assert.ok(problems.includes(refused));
    assert.ok((await cache.size()) <= most, `${await cache.size()}`);
  });
});
