import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '#test/docs/block.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { bodied } from '#test/fakes/upstream-faults.ts';
import { digestOf, readImage } from './support/content.ts';
import { CountingLink } from './support/counting-link.ts';
import { Program } from './support/program.ts';
import { recordedBytes } from './support/recorded-bytes.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const bin = join(root, 'src/bin.js');
const mebibyte = 1024 * 1024;
const size = 16 * mebibyte;
const piece = 64 * 1024;
/** What came and was not on record, and what was on its way. Bytes. */
const anew = 4 * mebibyte;

/** An image behind a slow link, and what loads it, each in a process of its own. */
async function slowImage() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const link = new CountingLink(12_000_000);
  let isHeld = false;
  const letGo = Promise.withResolvers<void>();
  const holding = bodied(async function* (body) {
    let sent = 0;
    for await (const chunk of body) {
      for (let at = 0; at < chunk.length; at += piece) {
        if (isHeld && sent >= size / 2) await letGo.promise;
        yield chunk.subarray(at, at + piece);
        sent += piece;
      }
    }
  });
  upstream.faults.push(link.fault, holding);
  const app = upstream.repository('team/app');
  const image = putImage(upstream.content, app, 'v1', [bytes(size, 1), bytes(50_000, 2)]);
  const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
  const settings = { registries, imagePath: join(path, 'cache'), logLevel: 'info' };
  await writeFile(join(path, 'config.yaml'), JSON.stringify(settings));
  await writeFile(join(path, 'images.txt'), 'up/team/app:v1\n');
  const run = (...args: readonly string[]) =>
    new Program(process.execPath, [bin, '--config-file', join(path, 'config.yaml'), ...args]);
  const large = image.layers[0]?.digest ?? assert.fail();
  const moved = stack.move();
  return {
    ...{ image, link, large, run },
    /** From its middle on, until it is let go. */
    hold: () => {
      isHeld = true;
    },
    letGo: () => {
      isHeld = false;
      letGo.resolve();
    },
    load: () => run('load', '--image-file', join(path, 'images.txt')),
    recorded: async () => await recordedBytes(join(path, 'cache', 'v1')),
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

type SlowImage = Awaited<ReturnType<typeof slowImage>>;

async function assertServed({ image, run }: SlowImage): Promise<void> {
  await using server = run('serve', '--air-gapped', '--host', '127.0.0.1', '--port', '0');
  const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
  const read = await readImage(`http://${address}/v2/up/team/app`, 'v1');
  assert.equal(read.digest, image.manifest.digest);
  for (const [digest, content] of read.blobs) assert.equal(digestOf(content), digest);
}

describe('a load that is killed', { concurrency: true }, () => {
  it('is gone on with by the same command', async () => {
    await using slow = await slowImage();
    const { link, large, load, recorded } = slow;
    slow.hold();
    await using first = load();
    await until('some is on record', async () => (await recorded()) > 2 * mebibyte);
    await first.stop('SIGKILL');
    slow.letGo();
    const isOver = async () => link.requests(large).every((carried) => carried.isOver);
    await until('upstream is done', isOver);
    const [here, before] = [await recorded(), link.carried(large)];
    assert.ok(here > 2 * mebibyte);
    await using second = load();
    assert.deepEqual(await second.exited, { code: 0, signal: null });
    const after = link.carried(large) - before;
    assert.ok(after <= size - here + anew, `${after} though ${here} were here`);
    await assertServed(slow);
  });

  it('does not disturb another one on the same directory', async () => {
    await using slow = await slowImage();
    await using first = slow.load();
    await using second = slow.load();
    await until('a quarter has come', async () => slow.link.carried(slow.large) > size / 4);
    await first.stop('SIGKILL');
    assert.deepEqual(await second.exited, { code: 0, signal: null });
    await assertServed(slow);
  });

  it('says so where it may, and what there is to do', async () => {
    await using slow = await slowImage();
    await using loading = slow.load();
    await until('some has come', async () => slow.link.carried(slow.large) > mebibyte);
    assert.deepEqual(await loading.stop('SIGINT'), { code: 1, signal: null });
    assert.match(
      loading.lines.at(-1) ?? '',
      /^interrupted, to be gone on with by the same command: loaded 0 /,
    );
  });
});
