import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { link, mkdir, readdir, stat } from 'node:fs/promises';
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
/** Three of them fill what may be held to less than a twentieth. */
const layerSize = 115 * kilobyte;
const hourMs = 3_600_000;

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

/** What the files below these folders of a cache have. Bytes. */
async function sizeOf(path: string, folders: readonly string[]): Promise<number> {
  let sum = 0;
  for (const folder of folders) {
    const files = await readdir(join(path, 'v1', folder), { recursive: true }).catch(() => []);
    for (const file of files) {
      const status = await stat(join(path, 'v1', folder, file)).catch(() => undefined);
      if (status?.isFile() === true) sum += status.size;
    }
  }
  return sum;
}

/** A server that may hold 350 kB, behind which are images of 115 kB each; somebody may set its clock, by which no pause is long. */
async function limited(cache: Record<string, unknown> = {}) {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  let aheadMs = 0;
  const clock: Clock = {
    ...systemClock,
    now: () => Date.now() + aheadMs,
    monotonic: () => systemClock.monotonic() + aheadMs,
    sleep: async (ms, signal) => await systemClock.sleep(Math.min(ms, 200), signal),
  };
  const log = new LogLines();
  const settings = {
    imagePath: directory.path,
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    health: await freePort(),
    metrics: await freePort(),
  };
  const start = async (more: Record<string, unknown>) =>
    await runApp({ ...settings, cache: { complete: false, ...more } }, { clock, log });
  let app = await start({ maxSize: 350 * kilobyte, ...cache });
  stack.defer(async () => await app[Symbol.asyncDispose]());
  const pull = async (tag: string, size = layerSize): Promise<string> => {
    const { server } = app;
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
    ...{ pull, log, path: directory.path },
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
    restarted: async (more: Record<string, unknown>) => {
      await app[Symbol.asyncDispose]();
      app = await start(more);
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('a cache with a limit', () => {
  it('passes a blob through that is larger than all of it', async () => {
    await using cache = await limited();
    const large = await cache.pull('v1', 400 * kilobyte);
    const small = await cache.pull('v2');
    await until(async () => existsSync(small), 'nothing is stored');
    assert.equal(existsSync(large), false);
    assert.equal(cache.log.at('warn').filter((line) => line.includes('passed through')).length, 1);
  });

  it('stores nothing more where nothing may go, and again when the oldest may', async () => {
    await using cache = await limited();
    const files: string[] = [];
    for (const tag of ['v1', 'v2', 'v3', 'v4']) files.push(await cache.pull(tag));
    await until(
      async () => cache.log.at('error').some((line) => line.includes('nothing more may go')),
      'not stuck',
    );
    assert.match(await cache.readiness(), /"status":"ready","warning":"not storing: /);
    assert.equal(await cache.metric('storing'), 0);
    const used = await cache.metric('used_bytes');
    assert.ok(used > 3 * layerSize && used <= 350 * kilobyte, `${used}`);
    assert.ok((await cache.metric('free_bytes')) > 0);
    const passed = await cache.pull('v5');
    cache.later(120_000);
    await until(async () => files[0] !== undefined && !existsSync(files[0]), 'nothing was evicted');
    assert.equal(existsSync(passed), false);
    assert.deepEqual(
      files.slice(1).map((file) => existsSync(file)),
      [true, true, false],
    );
    await until(async () => cache.log.at('warn').some((line) => line.includes('room again')), 'still stuck');
    assert.doesNotMatch(await cache.readiness(), /warning/);
    assert.equal(await cache.metric('storing'), 1);
    assert.equal(await cache.metric('reserved_bytes'), 0);
    assert.ok((await cache.metric('evicted_images_total')) >= 1);
    const stored = await cache.pull('v6');
    await until(async () => existsSync(stored), 'nothing is stored again');
  });

  it('holds no more than it may while many clients pull at once, and lets what is older give way to them', {
    timeout: 60_000,
  }, async () => {
    const most = 2500 * kilobyte;
    await using cache = await limited({ maxSize: most });
    const clients = async (first: number): Promise<number> => {
      const state = { isOver: false };
      const pulls = Promise.all(
        Array.from({ length: 24 }, async (_, at) => await cache.pull(`v${first + at}`, 500 * kilobyte)),
      ).finally(() => {
        state.isOver = true;
      });
      let [largest, counted] = [0, 0];
      while (!state.isOver) {
        largest = Math.max(largest, await sizeOf(cache.path, ['blobs', 'partial']));
        counted = Math.max(counted, await cache.metric('used_bytes'), await cache.metric('reserved_bytes'));
        await sleep(20);
      }
      // A manifest is stored beside what is counted before it comes.
      assert.ok(counted <= most + 50 * kilobyte, `${counted} bytes are counted`);
      assert.ok(largest <= most + 50 * kilobyte, `${largest} bytes are there`);
      return (await pulls).filter((file) => existsSync(file)).length;
    };
    assert.equal(await clients(100), 4);
    cache.later(hourMs);
    await until(async () => (await cache.metric('storing')) === 1, 'nothing is stored again');
    assert.equal(await clients(200), 4);
    assert.ok((await cache.metric('evicted_images_total')) > 0);
    await until(async () => (await sizeOf(cache.path, ['trash'])) === 0, 'the trash is not emptied');
  });

  it('evicts nothing for room on the disk whose files have other names, as those of 1.17 have', async () => {
    await using cache = await limited({ maxSize: 0 });
    const files = [await cache.pull('v1'), await cache.pull('v2')];
    await until(async () => files.every((file) => existsSync(file)), 'nothing is stored');
    const aside = join(cache.path, 'blobs');
    await mkdir(aside);
    for (const [at, file] of files.entries()) await link(file, join(aside, `${at}`));
    cache.later(hourMs);
    await cache.restarted({ minFree: '99.9999%' });
    await until(
      async () => cache.log.at('error').some((line) => line.includes('nothing more may go')),
      'not stuck',
    );
    assert.match(await cache.readiness(), /"warning":"not storing: /);
    assert.ok(files.every((file) => existsSync(file)));
    assert.doesNotMatch(cache.log.lines.join('\n'), /was evicted/);
  });
});
