import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { memoryPlan } from '#src/app/memory-plan.ts';
import { retentionParts } from '#src/app/prune.ts';
import { openStore } from '#src/app/store.ts';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { tidyUp } from '#src/retention/leaving-sweep.ts';
import { root } from '#test/docs/block.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { type Built, builtImage, layoutFiles } from '#test/fakes/layouts.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { writeOriginal } from '#test/fakes/original-directory.ts';
import { tarOf } from '#test/fakes/tars.ts';
import { Random } from '#test/simulation/random.ts';
import { readImage } from '../e2e/support/content.ts';
import { Program } from '../e2e/support/program.ts';
import { until } from '../e2e/support/until.ts';

const bin = join(root, 'src/bin.js');
const rounds = 4;
/** By it a failure is repeated, as far as the machine allows. */
const seed = Date.now() % 1_000_000;

/** Some small images and some large ones. */
function imagesOf(repository: string, from: number): Readonly<Record<string, Built>> {
  return Object.fromEntries(
    Array.from({ length: 6 }, (_, at) => [
      `${repository}:${at}`,
      builtImage(from + at, { size: at % 2 === 0 ? 3_000_000 : 40_000 }),
    ]),
  );
}

async function written(
  cache: CacheDirectory,
  form: string,
  images: Readonly<Record<string, Built>>,
  name: string,
) {
  if (form === 'a directory of Ociregistry 1.17') {
    await writeOriginal(join(cache.path, name), images);
    return join(cache.path, name);
  }
  const files = layoutFiles(images);
  if (form === 'a folder') return await cache.folder(name, files);
  const tar = join(cache.path, `${name}.tar`);
  await writeFile(tar, await tarOf(files));
  return tar;
}

/** What lies there when the time of what was left is over. */
async function afterwards(cache: CacheDirectory) {
  const ahead: Clock = { ...systemClock, now: () => systemClock.now() + 2 * 3_600_000 };
  const log = new LogLines();
  const { config } = await loadConfig({ flags: cache.settings, env: {} });
  await using store = await openStore(cache.imagePath, {
    ...{ memory: memoryPlan(), files: { writers: 10 }, clock: ahead, log, says() {} },
  });
  const parts = retentionParts(store, config, { clock: ahead, changed() {} });
  await tidyUp(parts);
  const images = await store.inventory.images({ limit: 200 });
  const files = await readdir(join(cache.imagePath, 'v1/blobs/sha256'));
  const unknown: string[] = [];
  for (const hex of files) {
    const digest = parseDigest(`sha256:${hex}`);
    const isOwned = (await store.metadata.listOwners(digest, 1)).length > 0;
    const content = await parts.graph.content(digest);
    if (content?.storedAt === undefined || !isOwned || (await parts.graph.uses(digest, 1)) === 0)
      unknown.push(hex);
  }
  return { images, unknown };
}

describe('an import that is killed beside a server that serves from the directory', () => {
  for (const form of ['a folder', 'a tar', 'a directory of Ociregistry 1.17'])
    it(`leaves whole images, and nothing else once its time is over: ${form}`, async () => {
      const random = new Random(seed);
      await using cache = await CacheDirectory.make();
      const flags = ['--image-path', cache.imagePath];
      const serving = ['serve', '--air-gapped', '--log-level', 'info', '--host', '127.0.0.1', '--port', '0'];
      await using server = new Program(process.execPath, [bin, ...flags, ...serving]);
      const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
      const blobs = join(cache.imagePath, 'v1/blobs/sha256');
      const kept = imagesOf('quay.io/team/kept', 1);
      const again = await written(cache, form, kept, 'kept');
      let killed = 0;
      for (let round = 0; round < rounds; round += 1) {
        // Every other one is never imported again.
        const from =
          round % 2 === 0
            ? again
            : await written(cache, form, imagesOf('quay.io/team/left', 100 * round), `left${round}`);
        const before = (await readdir(blobs)).length;
        await using program = new Program(process.execPath, [bin, ...flags, 'import', from]);
        const some = random.between(1, 14);
        const hasCome = async () => program.hasEnded || (await readdir(blobs)).length >= before + some;
        await until('some of it has come', hasCome);
        if (!program.hasEnded) killed += 1;
        await program.stop('SIGKILL');
        await assertWhole(address, Object.keys(kept));
      }
      assert.ok(killed > 0, `nothing was killed (seed ${seed})`);
      const last = await cache.import([again]);
      assert.ok(
        last.every(({ problem }) => problem === undefined),
        JSON.stringify(problemsOf(last)),
      );
      await until('the server serves all', async () => (await assertWhole(address, Object.keys(kept))) === 6);
      await server.stop();
      const { images, unknown } = await afterwards(cache);
      assert.deepEqual(unknown, [], `seed ${seed}`);
      assert.ok(images.length >= 6);
      assert.deepEqual(
        images.filter(({ missing }) => missing > 0),
        [],
      );
      for (const image of Object.values(kept))
        assert.ok(images.some(({ descriptor }) => descriptor.digest === sha256(image.manifest)));
    });

  /** What is served is whole; returns how many are. */
  async function assertWhole(address: string, names: readonly string[]): Promise<number> {
    let whole = 0;
    for (const name of names) {
      const [repository = '', tag = ''] = name.split(':');
      const url = `http://${address}/v2/${repository}`;
      const { status } = await fetch(`${url}/manifests/${tag}`, { method: 'HEAD' });
      if (status !== 200) continue;
      await readImage(url, tag);
      whole += 1;
    }
    return whole;
  }
});
