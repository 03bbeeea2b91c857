import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, cp, link, open, readdir, rename, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import { sha256 } from '#src/oci/digest.ts';
import { until } from '#test/e2e/support/until.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { Random } from '#test/simulation/random.ts';

const layer = Buffer.from(bytes(900_000));
const verified = 'max-age=31536000, immutable';
const rounds = 3;
/** By it a failure is repeated, as far as the machine allows. */
const seed = Date.now() % 1_000_000;

/** A directory that has a blob, and what its next server has. */
async function cached(content = layer) {
  const directory = await temporaryDirectory();
  const upstream = await FakeUpstream.start();
  putImage(upstream.content, upstream.repository('team/app'), 'v1', [content]);
  const digest = sha256(content);
  const blob = `/v2/up/team/app/blobs/${digest}`;
  const log = new LogLines();
  const start = async (imagePath = directory.path): Promise<App> =>
    await runApp(
      {
        registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
        imagePath,
        cache: { complete: false },
      },
      { log },
    );
  {
    await using app = await start();
    assert.equal((await ask(app.server, blob)).status, 200);
    await app.stop();
  }
  const before = upstream.calls.length;
  const asked = (): string[] => upstream.calls.slice(before);
  const v1 = join(directory.path, 'v1');
  return {
    ...{ directory, asked, blob, log, start, v1 },
    file: join(v1, 'blobs/sha256', digest.slice('sha256:'.length)),
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function flip(path: string, at: number): Promise<void> {
  await using file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
}

describe('the file of a stored blob', () => {
  it('is known again by the next server: right from the first byte on', async () => {
    await using it = await cached();
    await using app = await it.start();
    const { headers, body } = await ask(app.server, it.blob);
    assert.equal(headers['cache-control'], verified);
    assert.ok(body.equals(layer));
    assert.deepEqual(it.asked(), []);
  });

  const harmless: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
    'another mode': async (file) => await chmod(file, 0o640),
    'another name': async (file) => await link(file, `${file}.link`),
    'moved away and back': async (file) => {
      await rename(file, `${file}.moved`);
      await rename(`${file}.moved`, file);
    },
    'other times': async (file) => await utimes(file, 1, 1),
    'a copy of it': async (file) => {
      await cp(file, `${file}.copy`, { preserveTimestamps: true });
      await rename(`${file}.copy`, file);
    },
  };
  for (const [what, happens] of Object.entries(harmless)) {
    it(`is hashed once as it is sent, and nothing is fetched: ${what}`, async () => {
      await using it = await cached();
      await happens(it.file);
      await using app = await it.start();
      const head = await ask(app.server, it.blob, { method: 'HEAD' });
      assert.equal(head.headers['cache-control'], 'no-store');
      const first = await ask(app.server, it.blob);
      assert.equal(first.headers['cache-control'], 'no-store');
      assert.ok(first.body.equals(layer));
      const second = await ask(app.server, it.blob);
      assert.equal(second.headers['cache-control'], verified);
      assert.ok(second.body.equals(layer));
      assert.deepEqual(it.asked(), []);
    });
  }

  for (const [as, preserveTimestamps] of [
    ['cp -a', true],
    ['cp -r', false],
  ] as const) {
    it(`is served of a directory that was copied, whole and in parts: ${as}`, async () => {
      await using it = await cached();
      await using copy = await temporaryDirectory();
      await cp(it.directory.path, copy.path, { recursive: true, preserveTimestamps });
      await using app = await it.start(copy.path);
      const part = await ask(app.server, it.blob, { headers: { range: 'bytes=800000-800009, 5-6' } });
      assert.equal(part.status, 206);
      assert.ok(part.body.includes(layer.subarray(800_000, 800_010)));
      assert.ok((await ask(app.server, it.blob)).body.equals(layer));
      assert.deepEqual(it.asked(), []);
    });

    it(`is not served of a copy that is not the same: ${as}`, async () => {
      await using it = await cached();
      await using copy = await temporaryDirectory();
      await cp(it.directory.path, copy.path, { recursive: true, preserveTimestamps });
      await flip(it.file.replace(it.directory.path, copy.path), 700_000);
      await using app = await it.start(copy.path);
      assert.ok((await ask(app.server, it.blob)).isCut);
      assert.ok((await ask(app.server, it.blob)).body.equals(layer));
    });
  }

  it('is never sent whole with other bytes: the answer breaks off, the next one is right, and it is kept aside', async () => {
    await using it = await cached();
    await flip(it.file, 700_000);
    await using app = await it.start();
    const broken = await ask(app.server, it.blob);
    assert.ok(broken.isCut);
    assert.ok(broken.body.equals(layer.subarray(0, broken.body.length)));
    assert.ok(broken.body.length <= layer.length - 65_536);
    const { body, headers } = await ask(app.server, it.blob);
    assert.ok(body.equals(layer));
    assert.match(String(headers['cache-status']), /fwd=/);
    assert.equal(it.asked().filter((call) => call.startsWith('GET')).length, 1);
    let kept: readonly string[] = [];
    await until('it is kept aside', async () => {
      kept = await readdir(join(it.v1, 'quarantine')).catch(() => []);
      return kept.length > 0;
    });
    assert.equal(kept.length, 1);
    const isTold = () =>
      it.log.at('error').some((line) => line.includes(kept[0] ?? '?') && line.includes('team/app'));
    await until('it is told', async () => isTold(), 10_000);
  });

  it('is never given to its end with other bytes, whenever they change while it is sent, whole or from some byte on', async () => {
    const random = new Random(seed);
    const content = Buffer.alloc(12_000_000, bytes(100_003, 5));
    await using it = await cached(content);
    await using app = await it.start();
    let cut = 0;
    for (let round = 0; round < rounds; round += 1) {
      const first = round % 2 === 0 ? 0 : random.between(1, 1_000_000);
      const headers: Record<string, string> = first === 0 ? {} : { range: `bytes=${first}-` };
      const response = await fetch(`http://127.0.0.1:${app.server.port}${it.blob}`, { headers });
      const flipAt = random.between(0, 2_000_000);
      // What the server has read by then, or what it certainly has not.
      const place =
        round % 3 === 0
          ? random.between(0, content.length - 1)
          : content.length - 1 - random.between(0, 500_000);
      const hash = createHash('sha256');
      let [came, isFlipped] = [0, false];
      const isWhole = await (async () => {
        for await (const chunk of response.body ?? []) {
          hash.update(chunk as Uint8Array);
          came += (chunk as Uint8Array).length;
          if (isFlipped || came < flipAt) continue;
          await flip(it.file, place);
          isFlipped = true;
        }
      })().then(
        () => true,
        () => false,
      );
      assert.ok(isFlipped);
      if (isWhole)
        assert.equal(
          `sha256:${hash.digest('hex')}`,
          sha256(content.subarray(first)),
          `seed ${seed}, round ${round}`,
        );
      else cut += 1;
      // It is fetched again, perhaps by the answer behind the next one, and stored.
      const next = await ask(app.server, it.blob);
      if (!next.isCut) assert.ok(next.body.equals(content));
      assert.ok((await ask(app.server, it.blob)).body.equals(content));
      const isStored = async (): Promise<boolean> =>
        !(await readdir(join(it.v1, 'partial'))).some((name) => name.startsWith('spool.'));
      await until('it is stored', isStored);
    }
    assert.ok(cut > 0);
  });

  it('gives no part with other bytes: the same request has the right ones', async () => {
    await using it = await cached();
    await flip(it.file, 700_000);
    await using app = await it.start();
    const ranges = ['bytes=0-9', 'bytes=699990-700010', 'bytes=-10', 'bytes=0-0, 700000-700001'];
    const answers = await Promise.all(
      ranges.map(async (range) => await ask(app.server, it.blob, { headers: { range } })),
    );
    assert.deepEqual(
      answers.map(({ status }) => status),
      [206, 206, 206, 206],
    );
    assert.ok(answers[1]?.body.equals(layer.subarray(699_990, 700_011)));
    assert.ok(answers[3]?.body.includes(layer.subarray(700_000, 700_002)));
    assert.equal((await readdir(join(it.v1, 'quarantine'))).length, 1);
  });
});
