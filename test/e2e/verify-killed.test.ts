import assert from 'node:assert/strict';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '#src/oci/digest.ts';
import { root } from '#test/docs/block.ts';
import { CacheDirectory } from '#test/fakes/cache-directory.ts';
import { builtImage, layoutFiles, pathOf } from '#test/fakes/layouts.ts';
import { Random } from '#test/simulation/random.ts';
import { Program } from './support/program.ts';
import { until } from './support/until.ts';

const bin = join(root, 'src/bin.js');
const rounds = 2;
/** By it a failure is repeated, as far as the machine allows. */
const seed = Date.now() % 1_000_000;
const images = Object.fromEntries(
  Array.from({ length: 8 }, (_, at) => [`quay.io/team/app:${at}`, builtImage(at, { size: 800_000 })]),
);
const layers = Object.values(images).map(({ contents }) => contents[0] ?? assert.fail());

async function spoil(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  await file.write('spoilt', at);
}

/** How many are given whole. What is given whole is right. */
async function given(address: string): Promise<number> {
  let count = 0;
  for (const layer of layers) {
    const response = await fetch(`http://${address}/v2/quay.io/team/app/blobs/${sha256(layer)}`);
    // Else it has broken off.
    const body = await response.arrayBuffer().catch(() => undefined);
    if (body === undefined || response.status === 404) continue;
    assert.deepEqual([response.status, sha256(Buffer.from(body))], [200, sha256(layer)], `seed ${seed}`);
    count += 1;
  }
  return count;
}

describe('a verify that is killed beside a server', () => {
  it('has nothing wrong served, keeps no other from its end, and what is lost comes by an import', {
    timeout: 150_000,
  }, async () => {
    const random = new Random(seed);
    await using cache = await CacheDirectory.make();
    const layout = await cache.folder('layout', layoutFiles(images));
    await cache.import([layout]);
    const flags = ['--image-path', cache.imagePath];
    const serving = ['serve', '--air-gapped', '--log-level', 'info', '--host', '127.0.0.1', '--port', '0'];
    await using server = new Program(process.execPath, [bin, ...flags, ...serving]);
    const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
    const quarantine = join(cache.imagePath, 'v1/quarantine');
    const aside = async (): Promise<number> => (await readdir(quarantine).catch(() => [])).length;
    let killed = 0;
    for (let round = 0; round < rounds; round += 1) {
      const wrong = new Set(Array.from({ length: 3 }, () => random.between(0, layers.length - 1)));
      for (const at of wrong)
        await spoil(
          join(cache.imagePath, 'v1', pathOf(layers[at] ?? assert.fail())),
          random.between(0, 700_000),
        );
      const before = await aside();
      await using program = new Program(process.execPath, [bin, ...flags, 'verify']);
      await until('it has found something', async () => program.hasEnded || (await aside()) > before);
      await sleep(random.between(0, 10));
      if (!program.hasEnded) killed += 1;
      await program.stop('SIGKILL');
      assert.ok((await given(address)) < layers.length);
      await using next = new Program(process.execPath, [bin, ...flags, 'verify', '--output', 'json']);
      await next.exited;
      const report = JSON.parse(next.lines.join('')) as { wrong: number; unreadable: number };
      assert.equal(report.unreadable, 0);
      const last = await cache.import([layout]);
      assert.ok(last.every(({ problem }) => problem === undefined));
      await until('the server has all', async () => (await given(address)) === layers.length);
    }
    assert.ok(killed > 0, `nothing was killed (seed ${seed})`);
  });
});
