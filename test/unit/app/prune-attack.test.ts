import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { sha256 } from '#src/oci/digest.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { assertWhole } from '#test/fakes/whole-directory.ts';
import { Random } from '#test/simulation/random.ts';

/** Longer than a blob that is in its place takes until the index says so, on a busy machine too; milliseconds. */
const graceMs = 1000;
const [rounds, roundMs] = [6, 1200];

describe('an image that is pulled while another process prunes', () => {
  it('is served right each time, and whatever is listed afterwards is whole', {
    timeout: 300_000,
  }, async () => {
    await using stack = new AsyncDisposableStack();
    const directory = stack.use(await temporaryDirectory());
    const upstream = stack.use(await FakeUpstream.start());
    const layers = Array.from({ length: 8 }, (_, at) => bytes(at % 2 === 0 ? 900 : 90_000, at));
    const images = Array.from({ length: 10 }, (_, at): [string, Image] => {
      const path = `team/app${at % 3}`;
      const its = [at, at + 1, at + 3].map((place) => layers[place % layers.length] as Uint8Array);
      return [path, putImage(upstream.content, upstream.repository(path), `v${at}`, its)];
    });
    const app = await runApp({
      imagePath: directory.path,
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
    });
    const pruning = fork(join(import.meta.dirname, '../../fakes/pruning-child.ts'), [
      directory.path,
      String(graceMs),
    ]);
    stack.defer(() => void pruning.kill('SIGKILL'));
    let [freed, seen] = [0, 0];
    try {
      const random = new Random(7);
      const pull = async (endsAt: number): Promise<void> => {
        while (Date.now() < endsAt) {
          const at = random.between(0, images.length - 1);
          const [path, image] = images[at] as [string, Image];
          const manifest = await ask(app.server, `/v2/up/${path}/manifests/v${at}`);
          assert.equal(manifest.status, 200, manifest.body.toString());
          assert.equal(sha256(manifest.body), image.manifest.digest);
          for (const { digest } of [image.config, ...image.layers]) {
            const blob = await ask(app.server, `/v2/up/${path}/blobs/${digest}`);
            assert.equal(blob.status, 200, blob.body.toString());
            assert.equal(sha256(blob.body), digest);
          }
        }
      };
      for (let round = 0; round < rounds; round += 1) {
        const endsAt = Date.now() + roundMs;
        await Promise.all([pull(endsAt), pull(endsAt), pull(endsAt)]);
        // Until all of it is old enough to go.
        await sleep(1.2 * graceMs);
        pruning.send('pause');
        [{ freed }] = (await once(pruning, 'message')) as [{ freed: number }];
        seen += await assertWhole(directory.path);
        pruning.send('go');
      }
      pruning.send('stop');
      assert.ok(seen > 10, `only ${seen} blobs were left to look at`);
      assert.ok(freed > 100_000, `only ${freed} bytes were freed`);
    } finally {
      await app[Symbol.asyncDispose]();
    }
  });
});
