import assert from 'node:assert/strict';
import { cp, open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import { sha256 } from '#src/oci/digest.ts';
import { until } from '#test/e2e/support/until.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { Random } from '#test/simulation/random.ts';

const rounds = 5;
/** By it a failure is repeated. */
const seed = Date.now() % 1_000_000;
const indexName = 'index-3.sqlite';

type Images = readonly (readonly [path: string, tag: string, image: Image])[];

/** What a server had on the disk that was killed: images of several repositories, which share blobs, and an index of which most lies in its log. */
async function killed() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const layers = Array.from({ length: 6 }, (_, at) => bytes(at % 2 === 0 ? 900 : 90_000, at));
  const images: Images = Array.from({ length: 9 }, (_, at) => {
    const [path, tag] = [`team/app${at % 3}`, `v${at}`];
    const its = [at, at + 1, at + 3].map((place) => layers[place % layers.length] as Uint8Array);
    return [path, tag, putImage(upstream.content, upstream.repository(path), tag, its)];
  });
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const cache = { complete: false };
  const [serving, left] = ['serving', 'left'].map((name) => join(directory.path, name)) as [string, string];
  {
    await using app = await runApp({ registries, imagePath: serving, cache });
    assert.equal(await pulled(app, images), answersOf(images));
    const list = join(serving, 'v1/index.json');
    await until(
      'all is known',
      async () => (await stat(list).catch(() => undefined)) && (await isListed(serving)),
    );
    await cp(serving, left, { recursive: true, preserveTimestamps: true });
  }
  await rm(serving, { recursive: true });
  const moved = stack.move();
  return {
    images,
    log: `${indexName}-wal`,
    /** A server over a copy of it, of which something is harmed. */
    start: async (name: string, settings: { airGapped?: boolean } = {}) =>
      await runApp(
        { registries, imagePath: join(directory.path, name), cache, ...settings },
        { log: new LogLines() },
      ),
    copy: async (name: string): Promise<string> => {
      await cp(left, join(directory.path, name), { recursive: true, preserveTimestamps: true });
      return join(directory.path, name, 'v1');
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };

  async function isListed(path: string): Promise<boolean> {
    return (await readdir(join(path, 'v1/blobs/sha256'))).length >= 9 + 9 + 6;
  }
}

const answersOf = (images: Images): number =>
  images.reduce((sum, [, , { layers }]) => sum + 2 + layers.length, 0);

/** How many were given; the others are not here. What is given is right. */
async function pulled(app: App, images: Images): Promise<number> {
  let given = 0;
  for (const [path, tag, { manifest, config, layers }] of images) {
    const wanted = [
      [`manifests/${tag}`, manifest.digest],
      ...[config, ...layers].map(({ digest }) => [`blobs/${digest}`, digest]),
    ];
    for (const [what, digest] of wanted) {
      const { status, body } = await ask(app.server, `/v2/up/${path}/${what}`);
      if (status === 404) continue;
      assert.deepEqual([status, sha256(body)], [200, digest], `${path} ${what} (seed ${seed})`);
      given += 1;
    }
  }
  return given;
}

describe('an index whose log is torn', () => {
  const harms: Readonly<Record<string, (path: string, size: number, random: Random) => Promise<unknown>>> = {
    'cut at some byte': async (path, size, random) => await truncate(path, random.between(0, size - 1)),
    'bits flipped': async (path, size, random) => {
      for (let flips = random.between(1, 20); flips > 0; flips -= 1)
        await flip(path, random.between(0, size - 1));
    },
    'both, and a page of zeros': async (path, size, random) => {
      const end = random.between(5000, size - 1);
      await truncate(path, end);
      await flip(path, random.between(0, end - 1));
      await using file = await open(path, 'r+');
      await file.write(Buffer.alloc(4096), 0, 4096, random.between(0, end - 4097));
    },
  };
  for (const [what, harm] of Object.entries(harms)) {
    it(`keeps no server from starting, and nothing wrong is given; what is lost is fetched again: ${what}`, async () => {
      const random = new Random(seed);
      await using it = await killed();
      let lost = 0;
      for (let round = 0; round < rounds; round += 1) {
        const name = `round${round}`;
        const path = join(await it.copy(name), it.log);
        const { size } = await stat(path);
        assert.ok(size > 20_000, `little is in the log: ${size} bytes`);
        await harm(path, size, random);
        {
          await using app = await it.start(name, { airGapped: true });
          lost += answersOf(it.images) - (await pulled(app, it.images));
          await app.stop();
        }
        await using app = await it.start(name);
        assert.equal(await pulled(app, it.images), answersOf(it.images), `seed ${seed}`);
      }
      assert.ok(lost > 0, `nothing was lost (seed ${seed})`);
    });
  }
});

async function flip(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ (1 << (at % 8))]), 0, 1, at);
}
