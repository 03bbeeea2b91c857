import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, constants, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { sha256 } from '#src/oci/digest.ts';
import { parseTag } from '#src/oci/reference.ts';
import { EncodedBlobs } from '#src/upstream/encoded-blobs.ts';
import { EncodedReading } from '#src/upstream/encoded-reading.ts';
import { CacheUnderTest } from '#test/fakes/cache-under-test.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { collect, putImage } from '#test/fakes/images.ts';
import type { Fault } from '#test/fakes/upstream-answers.ts';
import { cutAfter, headers, on, times, wrongBytes } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

/** Too large to be kept in memory while it is read both ways; half of it can be compressed. */
const large = Buffer.concat([randomBytes(1_100_000), Buffer.alloc(1_100_000)]);
const small = Buffer.concat([randomBytes(100_000), Buffer.alloc(100_000)]);

const encodings: Readonly<Record<string, (bytes: Uint8Array) => Buffer>> = {
  gzip: gzipSync,
  'x-gzip': gzipSync,
  deflate: deflateSync,
  // As hard as it can takes seconds, in which a fake clock runs on.
  br: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }),
  zstd: zstdCompressSync,
};

const needsFrames = {
  skip: Number.parseInt(process.versions.node, 10) < 26 && 'Node.js 24 decodes the first frame of zstd only',
};

/** What was compressed by now: each time it would take longer than all else that is done with it. */
const compressed = new Map<string, Buffer>();

function compressedBy(encoding: string, bytes: Buffer): Buffer {
  const key = `${encoding} ${sha256(bytes)}`;
  const known = compressed.get(key) ?? encodings[encoding]?.(bytes) ?? bytes;
  compressed.set(key, known);
  return known;
}

/** As parallel compressors write it (RFC 8878 section 3). */
function inFrames(bytes: Uint8Array): Buffer {
  const middle = Math.floor(bytes.length / 2);
  return Buffer.concat([
    zstdCompressSync(bytes.subarray(0, middle)),
    zstdCompressSync(bytes.subarray(middle)),
  ]);
}

/** Compressed though identity was asked for; `length`: with a Content-Length. */
function encoded(
  encoding: string,
  { length = true, compress = (bytes: Buffer) => compressedBy(encoding, bytes) } = {},
): Fault {
  return async (_, next) => {
    const answer = await next();
    const whole = Buffer.concat(await Array.fromAsync(toAsync(answer.body)));
    const bytes = compress(whole);
    const { 'Content-Length': __, ...others } = answer.headers;
    return {
      status: answer.status,
      headers: {
        ...others,
        'Content-Encoding': encoding,
        ...(length && { 'Content-Length': String(bytes.length) }),
      },
      body: [bytes],
    };
  };
}

async function* toAsync(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array> = [],
): AsyncGenerator<Uint8Array> {
  yield* body;
}

const labelled = headers({ 'Content-Encoding': 'gzip' });

/** A cache in front of the real client in front of an upstream with one image of one layer. */
async function start(layer: Buffer, { knowsSize = true } = {}) {
  const stack = new AsyncDisposableStack();
  const cache = new CacheUnderTest({
    upstream: {
      getManifest: async (...args) => await made.registry.getManifest(...args),
      resolveManifest: async (...args) => await made.registry.resolveManifest(...args),
      getBlob: async (...args) => await made.registry.getBlob(...args),
      resolveBlob: async (...args) => await made.registry.resolveBlob(...args),
      listTags: async (...args) => await made.registry.listTags(...args),
      listReferrers: async (...args) => await made.registry.listReferrers(...args),
    },
  });
  const made = stack.use(await UpstreamUnderTest.start({ clock: cache.clock }));
  stack.use(cache);
  putImage(made.upstream.content, made.name, 'v1', [layer]);
  if (knowsSize) await cache.registry.getManifest(made.name, parseTag('v1'));
  made.upstream.requests.splice(0);
  const digest = sha256(layer);
  return {
    made,
    cache,
    digest,
    async pull(): Promise<Buffer> {
      const body = (async () => {
        await using reader = await cache.registry.getBlob(made.name, digest);
        return await collect(reader.body);
      })();
      const over = body.then(
        () => true,
        () => true,
      );
      // Mostly it waits for sockets and threads: to look all the time would cost more than all that they do.
      while (!(await Promise.race([over, sleep(2, false)])))
        if (cache.clock.pausing > 0) await cache.clock.advance(500);
      return await body;
    },
    get asked(): string[] {
      return made.upstream.requests.map(({ method, headers: { range = 'whole' } }) => `${method} ${range}`);
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

const get = 'GET whole';

describe('a blob with a Content-Encoding', () => {
  it('that is the blob as it comes, by its length, is taken as it comes', async () => {
    for (const encoding of ['gzip', 'x-gzip', 'aws-chunked']) {
      await using test = await start(large);
      test.made.spoil(headers({ 'Content-Encoding': encoding }));
      assert.ok(large.equals(await test.pull()));
      assert.deepEqual(test.asked, [get]);
    }
  });

  it('and that length is resumed like any other', async () => {
    await using test = await start(large);
    test.made.spoil(labelled, times(1, cutAfter(1_000_000)));
    assert.ok(large.equals(await test.pull()));
    assert.deepEqual(test.asked, [get, 'GET bytes=1000000-']);
  });

  for (const encoding of Object.keys(encodings)) {
    it(`that was made by ${encoding} is decoded: a large one on a second way, a small one from memory`, async () => {
      for (const length of [true, false]) {
        for (const knowsSize of [true, false]) {
          await using second = await start(large, { knowsSize });
          second.made.spoil(encoded(encoding, { length }));
          assert.ok(large.equals(await second.pull()));
          assert.deepEqual(second.asked, [get, get]);
        }
        await using first = await start(small);
        first.made.spoil(encoded(encoding, { length }));
        assert.ok(small.equals(await first.pull()));
        assert.deepEqual(first.asked, [get]);
      }
    });
  }

  it('that was made by zstd in several frames is decoded to its end', needsFrames, async () => {
    for (const blob of [large, small]) {
      await using test = await start(blob);
      test.made.spoil(encoded('zstd', { compress: inFrames }));
      assert.ok(blob.equals(await test.pull()));
    }
  });

  it('is stored decoded, and its size is the decoded one', async () => {
    await using test = await start(large, { knowsSize: false });
    test.made.spoil(encoded('gzip'));
    await using reader = await test.cache.registry.getBlob(test.made.name, test.digest);
    assert.equal(reader.size, large.length);
    assert.ok(large.equals(await collect(reader.body)));
    await test.cache.settle();
    assert.equal((await test.cache.parts.content.stat(test.digest))?.size, large.length);
  });

  it('that is only called so is taken as it comes where nobody knows its size', async () => {
    for (const blob of [small, gzipSync(large)]) {
      await using test = await start(blob, { knowsSize: false });
      test.made.spoil(labelled);
      assert.ok(blob.equals(await test.pull()));
      assert.deepEqual(test.asked, blob === small ? [get] : [get, get]);
    }
  });

  it('begins anew where it is cut, and is never resumed by a Range', async () => {
    await using test = await start(large);
    // Once while it is read to learn what it is, once on its way to the client.
    let answers = 0;
    const cutTwice: Fault = async (request, next) => {
      answers += 1;
      return answers === 1 || answers === 3 ? await cutAfter(1_000_000)(request, next) : await next();
    };
    test.made.spoil(cutTwice, encoded('gzip'));
    assert.ok(large.equals(await test.pull()));
    assert.deepEqual(test.asked, [get, get, get, get]);
  });

  it('that is the blob in no way is 502, and nothing of it leaves', async () => {
    for (const fault of [labelled, encoded('gzip')]) {
      await using test = await start(large, { knowsSize: false });
      test.made.spoil(
        async (request, next) => await fault(request, async () => await wrongBytes(request, next)),
      );
      await assert.rejects(test.pull(), {
        code: 'UNAVAILABLE',
        status: 502,
        message: /neither as they are nor decoded/,
      });
      assert.deepEqual(test.asked, [get]);
    }
  });

  it('that was cut while it was read is given up after some tries', async () => {
    await using test = await start(large);
    test.made.spoil(cutAfter(1000), encoded('gzip'));
    await assert.rejects(test.pull(), { code: 'UNAVAILABLE' });
    assert.equal(test.asked.length, 4);
  });

  it('is not downloaded for its size', async () => {
    await using test = await start(large, { knowsSize: false });
    test.made.spoil(encoded('gzip', { length: false }));
    const { size } = await test.made.registry.resolveBlob(test.made.name, test.digest);
    assert.equal(size, undefined);
    assert.ok(test.asked.length <= 2);
  });

  it('that drips is not read for more than half an hour, and not asked for again', async () => {
    const clock = new FakeClock();
    const url = new URL('https://registry.example/v2/a/blobs/x');
    let minutes = 0;
    let isOpen = true;
    const response = {
      status: 200,
      headers: { 'content-encoding': 'gzip' },
      url,
      body: (async function* () {
        for (; minutes < 100; minutes += 1) {
          yield Buffer.from('x');
          await clock.advance(60_000);
        }
      })(),
      async [Symbol.asyncDispose]() {
        isOpen = false;
      },
    };
    const again = async () => await Promise.reject(new Error('asked again'));
    const answer = { digest: sha256(small), response, size: undefined, again, signal: undefined };
    await assert.rejects(new EncodedBlobs(clock).open(answer), { code: 'UNAVAILABLE', status: 504 });
    assert.deepEqual([minutes, isOpen], [31, false]);
  });

  it('is read no further than its size allows', async () => {
    await using test = await start(small);
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    test.made.spoil(
      on(/blobs/, () => ({
        status: 200,
        headers: { 'Content-Encoding': 'gzip', 'Content-Length': String(bomb.length) },
        body: [bomb],
      })),
    );
    await assert.rejects(test.pull(), /neither as they are nor decoded/);
  });
});

describe('what is read both ways', () => {
  it('is decoded to a hundred times of what came and no more, where the size is not known', async () => {
    const zeros = Buffer.alloc(20_000_000);
    const bomb = gzipSync(zeros);
    using bounded = new EncodedReading(sha256(zeros), 'gzip');
    for (let at = 0; at < bomb.length; at += 10_000) await bounded.update(bomb.subarray(at, at + 10_000));
    assert.equal(await bounded.result(), undefined);
    using known = new EncodedReading(sha256(zeros), 'gzip', zeros.length);
    for (let at = 0; at < bomb.length; at += 10_000) await known.update(bomb.subarray(at, at + 10_000));
    assert.deepEqual(await known.result(), { is: 'decoded', size: zeros.length, bytes: undefined });
  });

  it('has an end also where the size is not known', async () => {
    using reading = new EncodedReading(sha256(small), 'unknown', undefined, 1000);
    await reading.update(Buffer.alloc(1000));
    assert.equal(reading.isHopeful, true);
    await reading.update(Buffer.alloc(1));
    assert.equal(reading.isHopeful, false);
  });

  it('has no hope where it is neither, long before its end', async () => {
    using reading = new EncodedReading(sha256(small), 'gzip', 1000);
    await reading.update(Buffer.from('no gzip'));
    assert.equal(reading.isHopeful, true);
    await reading.update(Buffer.alloc(1000));
    assert.equal(reading.isHopeful, false);
    // Blocks of nothing, without an end.
    const flushed = gzipSync(Buffer.alloc(0), { finishFlush: 2 });
    using endless = new EncodedReading(sha256(small), 'gzip', small.length);
    await endless.update(flushed);
    const nothing = Buffer.from([0, 0, 0, 0xff, 0xff]);
    const nothings = Buffer.concat(Array.from({ length: 60_000 }, () => nothing));
    let updates = 0;
    for (; endless.isHopeful && updates < 100; updates += 1) await endless.update(nothings);
    assert.ok(updates < 10, `${updates}`);
  });

  it('that ends in the middle of its encoding is nothing', async () => {
    using reading = new EncodedReading(sha256(small), 'gzip', small.length);
    const bytes = gzipSync(small);
    await reading.update(bytes.subarray(0, bytes.length - 10));
    assert.equal(await reading.result(), undefined);
  });
});
