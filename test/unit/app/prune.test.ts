import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pruneImages } from '#src/app/prune.ts';
import { type PruneOrder, prune } from '#src/cli/prune.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Removed } from '#src/retention/prune.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const order: PruneOrder = {
  pattern: '',
  date: undefined,
  notUsedFor: undefined,
  keep: undefined,
  dryRun: false,
  output: 'text',
};

/** Bounded by ten seconds: machines are slow. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, what);
    await sleep(20);
  }
}

/** A server with two images that share a layer, both pulled and on the disk. */
async function served() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const shared = bytes(100_000, 1);
  const put = (tag: string, seed: number): Image =>
    putImage(upstream.content, upstream.repository('team/app'), tag, [shared, bytes(90_000, seed)]);
  const images = { v1: put('v1', 2), v2: put('v2', 3) };
  const { server } = stack.use(
    await runApp({
      imagePath: directory.path,
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
    }),
  );
  const pull = async (tag: 'v1' | 'v2'): Promise<void> => {
    await ask(server, `/v2/up/team/app/manifests/${tag}`);
    const { config, layers } = images[tag];
    for (const { digest } of [config, ...layers]) await ask(server, `/v2/up/team/app/blobs/${digest}`);
  };
  await pull('v1');
  await pull('v2');
  const fileOf = (digest: string): string => join(directory.path, 'v1', 'blobs', ...digest.split(':'));
  const { config } = await loadConfig({ flags: { imagePath: directory.path }, env: {} });
  const index = async () => await readFile(join(directory.path, 'v1', 'index.json'), 'utf8');
  await until(async () => /:v2"/.test(await index().catch(() => '')), 'it is not stored');
  const moved = stack.move();
  return {
    path: directory.path,
    upstream,
    server,
    images,
    config,
    fileOf,
    index,
    pull,
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('pruning beside a server', () => {
  it('frees what no other image has, and the server asks for it anew within a second', async () => {
    await using cache = await served();
    const { config, images, upstream, server, fileOf } = cache;
    const removed: Removed[] = [];
    await pruneImages(
      config,
      { matches: (name) => name.endsWith(':v1') },
      false,
      async (image) => void removed.push(image),
      { log: new LogLines(), signal: new AbortController().signal, graceMs: -1000 },
    );
    const [shared, own] = images.v1.layers;
    assert.ok(shared && own);
    assert.deepEqual(
      removed.map(({ tags }) => tags),
      [['v1']],
    );
    assert.deepEqual(new Set(removed[0]?.blobs), new Set([images.v1.config.digest, own.digest]));
    assert.equal(removed[0]?.freed, own.size + images.v1.config.size + images.v1.manifest.size);
    assert.deepEqual([existsSync(fileOf(own.digest)), existsSync(fileOf(shared.digest))], [false, true]);
    assert.deepEqual(await readdir(join(cache.path, 'v1', 'trash')), []);
    assert.doesNotMatch(await cache.index(), /:v1"/);
    const before = upstream.requests.length;
    await until(async () => {
      await cache.pull('v1');
      return upstream.requests.length > before;
    }, 'the server still remembers it');
    const { status, body } = await ask(server, `/v2/up/team/app/blobs/${own.digest}`);
    assert.deepEqual([status, body.length], [200, own.size]);
    const asked = upstream.calls.slice(before).filter((call) => call.includes(shared.digest));
    assert.deepEqual(asked, [], 'what is shared was never gone');
  });

  it('lets who reads a blob read it to its end', async () => {
    await using cache = await served();
    const { config, images } = cache;
    const layer = images.v1.layers[1]?.digest ?? assert.fail();
    const url = `http://127.0.0.1:${cache.server.port}/v2/up/team/app/blobs/${layer}`;
    const response = await fetch(url);
    const parts = { log: new LogLines(), signal: new AbortController().signal, graceMs: -1000 };
    await pruneImages(config, {}, false, async () => {}, parts);
    assert.equal(existsSync(cache.fileOf(layer)), false);
    assert.equal((await response.arrayBuffer()).byteLength, 90_000);
  });

  it('prints what the original prints, and for programs what went', async () => {
    await using cache = await served();
    const { config, images, upstream } = cache;
    const printed = async (changes: Partial<PruneOrder>): Promise<string> => {
      const stdout = new PassThrough();
      const output = text(stdout);
      await prune({ config, warnings: [] } as never, { ...order, ...changes }, stdout);
      stdout.end();
      return await output;
    };
    // It came a moment ago, and its bytes stay for now.
    assert.equal(
      await printed({ pattern: ':v1$', dryRun: true }),
      `Compiling search regex: ":v1$"\nPrune blobs (dry run):\nPrune manifests (dry run):\n${upstream.host}/team/app:v1\n0.0 MB would be freed\n`,
    );
    const report = JSON.parse(await printed({ keep: 1, output: 'json' })) as {
      dryRun: boolean;
      images: { digest: string; tags: string[] }[];
      freedBytes: number;
    };
    assert.deepEqual(report, {
      dryRun: false,
      images: [
        {
          ...{ repository: `${upstream.host}/team/app`, digest: images.v1.manifest.digest, tags: ['v1'] },
          ...{ blobs: [], freedBytes: 0 },
        },
      ],
      freedBytes: 0,
    });
    assert.equal(
      await printed({ pattern: 'nothing', output: 'json' }),
      '{\n  "dryRun": false,\n  "images": [],\n  "freedBytes": 0\n}\n',
    );
    await assert.rejects(printed({}), /which images\?/);
  });

  it('finds nothing where nothing was cached yet, and makes no directory', async () => {
    await using directory = await temporaryDirectory();
    const imagePath = join(directory.path, 'cache');
    const { config } = await loadConfig({ flags: { imagePath }, env: {} });
    const parts = { log: new LogLines(), signal: new AbortController().signal };
    await pruneImages(config, {}, false, async () => assert.fail(), parts);
    assert.equal(existsSync(imagePath), false);
  });
});
