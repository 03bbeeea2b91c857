import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, systemClock } from '#src/base/clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const kilobyte = 1000;
const layerSize = 100 * kilobyte;

/** Bounded by twenty seconds: machines are slow. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 20_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, what);
    await sleep(50);
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using directory = await temporaryDirectory();
  await using app = await runApp({ imagePath: directory.path });
  return app.server.port;
}

/** A server that may hold 350 kB, behind which are images of 100 kB each; somebody may set its clock. */
async function limited(cache: Record<string, unknown> = {}) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const log = new LogLines();
  const app = stack.use(
    await runApp(
      {
        imagePath: directory.path,
        registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
        cache: { maxSize: 350 * kilobyte, ...cache },
        health: await freePort(),
        metrics: await freePort(),
      },
      { clock, log },
    ),
  );
  const { server } = app;
  const pull = async (tag: string, size = layerSize): Promise<string> => {
    const seed = Number(tag.slice(1));
    const { layers } = putImage(upstream.content, upstream.repository('team/app'), tag, [bytes(size, seed)]);
    const manifest = await ask(server, `/v2/up/team/app/manifests/${tag}`);
    assert.equal(manifest.status, 200);
    const layer = layers[0]?.digest ?? assert.fail();
    const { status, body } = await ask(server, `/v2/up/team/app/blobs/${layer}`);
    assert.deepEqual([status, body.length], [200, size]);
    return join(directory.path, 'v1', 'blobs', ...layer.split(':'));
  };
  const moved = stack.move();
  return {
    ...{ pull, log },
    readiness: async () => (await ask(app.health ?? assert.fail(), '/readyz')).body.toString(),
    metric: async (name: string) => {
      const { body } = await ask(app.metrics ?? assert.fail(), '/metrics');
      const line = new RegExp(`^ociregistry_${name}(?:\\{reason="maxSize"\\})? (.*)$`, 'm').exec(
        body.toString(),
      );
      return Number(line?.[1]);
    },
    later: (ms: number) => {
      aheadMs += ms;
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('a cache with a limit', () => {
  it('passes a blob through that is larger than all of it', async () => {
    await using cache = await limited({ complete: false });
    const large = await cache.pull('v1', 400 * kilobyte);
    const small = await cache.pull('v2');
    await until(async () => existsSync(small), 'nothing is stored');
    assert.equal(existsSync(large), false);
    assert.equal(cache.log.at('warn').filter((line) => line.includes('passed through')).length, 1);
  });

  it('stores nothing more where nothing may go, and again when the oldest may', async () => {
    await using cache = await limited({ complete: false });
    const files: string[] = [];
    for (const tag of ['v1', 'v2', 'v3', 'v4']) files.push(await cache.pull(tag));
    await until(
      async () => cache.log.at('error').some((line) => line.includes('nothing more may go')),
      'not stuck',
    );
    assert.match(await cache.readiness(), /"status":"ready","warning":"not storing: /);
    assert.equal(await cache.metric('storing'), 0);
    assert.ok((await cache.metric('used_bytes')) > 400 * kilobyte);
    assert.ok((await cache.metric('free_bytes')) > 0);
    const passed = await cache.pull('v5');
    cache.later(120_000);
    await until(async () => files[0] !== undefined && !existsSync(files[0]), 'nothing was evicted');
    assert.equal(existsSync(passed), false);
    assert.deepEqual(
      files.slice(2).map((file) => existsSync(file)),
      [true, true],
    );
    await until(async () => cache.log.at('warn').some((line) => line.includes('room again')), 'still stuck');
    assert.doesNotMatch(await cache.readiness(), /warning/);
    assert.equal(await cache.metric('storing'), 1);
    assert.equal(await cache.metric('reserved_bytes'), 0);
    assert.ok((await cache.metric('evicted_images_total')) >= 1);
    const stored = await cache.pull('v6');
    await until(async () => existsSync(stored), 'nothing is stored again');
  });
});
