import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '#src/app/app.ts';
import { memoryPlan } from '#src/app/memory-plan.ts';
import { retentionParts } from '#src/app/prune.ts';
import { openStore } from '#src/app/store.ts';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { tidyUp } from '#src/retention/leaving-sweep.ts';
import { until } from '#test/e2e/support/until.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertWhole } from '#test/fakes/whole-directory.ts';
import { Random } from '#test/simulation/random.ts';

/** Longer than a blob that is in its place takes until the index says so, on a busy machine too; milliseconds. */
const graceMs = 1000;
const rounds = 4;
/** By it a failure is repeated, as far as the machine allows. */
const seed = Date.now() % 1_000_000;

type Images = readonly (readonly [path: string, tag: string, image: Image])[];

/** All of them, right. */
async function pull(app: App, images: Images): Promise<void> {
  for (const [path, tag, { manifest, config, layers }] of images) {
    const answer = await ask(app.server, `/v2/up/${path}/manifests/${tag}`);
    assert.deepEqual([answer.status, sha256(answer.body)], [200, manifest.digest]);
    for (const { digest } of [config, ...layers]) {
      const blob = await ask(app.server, `/v2/up/${path}/blobs/${digest}`);
      assert.deepEqual([blob.status, sha256(blob.body)], [200, digest]);
    }
  }
}

describe('a prune that is killed beside a server', () => {
  it('leaves whole images, and files that go when their time is over', { timeout: 300_000 }, async () => {
    const random = new Random(seed);
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    const layers = Array.from({ length: 12 }, (_, at) => bytes(at % 2 === 0 ? 900 : 90_000, at));
    const images: Images = Array.from({ length: 28 }, (_, at) => {
      const [path, tag] = [`team/app${at % 3}`, `v${at}`];
      const its = [at, at + 1, at + 3].map((place) => layers[place % layers.length] as Uint8Array);
      return [path, tag, putImage(upstream.content, upstream.repository(path), tag, its)];
    });
    const blobs = join(directory.path, 'v1/blobs/sha256');
    {
      await using app = await runApp({
        imagePath: directory.path,
        registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
      });
      let interrupted = 0;
      for (let round = 0; round < rounds; round += 1) {
        await pull(app, images);
        // Until all of it is old enough to go.
        await sleep(1.5 * graceMs);
        const before = (await readdir(blobs)).length;
        const pruning = fork(join(import.meta.dirname, '../../fakes/pruning-child.ts'), [
          directory.path,
          String(graceMs),
        ]);
        // Also where it ends before it is told to.
        const ended = once(pruning, 'exit');
        try {
          await until('some of it has gone', async () => (await readdir(blobs)).length < before);
          await sleep(random.between(0, 15));
        } finally {
          pruning.kill('SIGKILL');
          await ended;
        }
        if ((await readdir(blobs)).length > 0) interrupted += 1;
        await assertWhole(directory.path);
      }
      assert.ok(interrupted > 0, `none was in the middle (seed ${seed})`);
      await pull(app, images);
    }
    await assertTidy(directory.path);
  });
});

/** When the time of what was left is over. */
async function assertTidy(imagePath: string): Promise<void> {
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + 2 * 3_600_000 };
  const { config } = await loadConfig({ flags: { imagePath }, env: {} });
  await using store = await openStore(imagePath, {
    ...{ memory: memoryPlan(), files: { writers: 10 }, clock, log: new LogLines(), says() {} },
  });
  const parts = retentionParts(store, config, { clock, changed() {} });
  await tidyUp(parts);
  assert.deepEqual(await readdir(join(imagePath, 'v1/trash')), []);
  for (const hex of await readdir(join(imagePath, 'v1/blobs/sha256'))) {
    const content = await parts.graph.content(parseDigest(`sha256:${hex}`));
    assert.ok(content?.storedAt !== undefined, hex);
  }
}
