import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { DigestHasher, sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { hostOf } from '#src/oci/reference.ts';
import type { RangeSpec } from '#src/oci/registry.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { cut, gate } from '#test/fakes/scripted-registry.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const layerType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const alpine = repository('docker.io/library/alpine');
const mebibyte = 1024 * 1024;
const layer = Buffer.from(bytes(12 * mebibyte));
const digest = sha256(layer);
/** What comes in order stands still here until the test says otherwise. */
const stands = 2 * mebibyte;

/** A cold blob whose bytes in order stand still; what upstream has given is counted. */
function behindSlowUpstream(blobs = new MemoryBlobStore()) {
  const cache = new CacheUnderTest({ blobs });
  cache.content.putBlob(alpine, layer);
  const inOrder = gate();
  const given = { bytes: 0 };
  cache.upstream.body = async function* (chunks, call) {
    let sent = 0;
    for await (const chunk of chunks) {
      if (sent === stands && !call.includes('{')) await inOrder.wait();
      sent += chunk.length;
      given.bytes += chunk.length;
      yield chunk;
    }
  };
  return {
    cache,
    inOrder,
    given,
    /** What upstream was asked for. */
    get asked(): string[] {
      return cache.upstream.calls.map((call) => {
        const { first, last, suffix } = JSON.parse(/\{.*\}/.exec(call)?.[0] ?? '{}');
        if (suffix !== undefined) return `-${suffix}`;
        return first === undefined ? 'whole' : `${first}-${last ?? ''}`;
      });
    },
    async pull(range?: RangeSpec): Promise<Buffer> {
      await using reader = await cache.registry.getBlob(alpine, digest, { range });
      return await collect(reader.body);
    },
    get fill() {
      return cache.parts.fills.get(hostOf(alpine), digest);
    },
    /** Lets the rest come, and waits until it is stored. */
    async finish(): Promise<void> {
      inOrder.open();
      await this.fill?.done;
      await cache.settle();
    },
    async [Symbol.asyncDispose]() {
      inOrder.open();
      await cache[Symbol.asyncDispose]();
    },
  };
}

describe('a part of a cold blob that is far ahead of what comes in order', () => {
  it('is fetched by a request of its own, and never again', async () => {
    await using test = behindSlowUpstream();
    const first = 8 * mebibyte;
    const body = await test.pull({ first, last: first + 999 });
    assert.ok(body.equals(layer.subarray(first, first + 1000)));
    assert.deepEqual(test.asked, ['whole', `${first}-${first + mebibyte - 1}`]);
    assert.equal(test.fill?.isVerified, false);
    await test.finish();
    assert.deepEqual(test.asked.slice(2), [`${first + mebibyte}-`]);
    assert.ok((await test.pull()).equals(layer));
    assert.equal((await test.cache.blobs.stat(digest))?.size, layer.length);
    // The chunk in which what came in order met the part was its last.
    assert.ok(test.given.bytes <= layer.length + 65_536, `${test.given.bytes}`);
  });

  it('is the end alone for whoever wants the end alone', async () => {
    await using test = behindSlowUpstream();
    assert.ok((await test.pull({ suffix: 51 })).equals(layer.subarray(-51)));
    assert.deepEqual(test.asked, ['whole', '-51']);
    await test.finish();
    assert.ok((await test.pull()).equals(layer));
    assert.equal(test.asked.length, 2);
  });

  it('is asked for at once where a manifest says how long the blob is, and in order where it is wrong', async () => {
    for (const claimed of [layer.length, layer.length + 1]) {
      await using test = behindSlowUpstream();
      const { cache } = test;
      cache.parts.sizes.claim(alpine, [{ mediaType: layerType, digest, size: claimed }]);
      const head = gate();
      cache.upstream.script = async (call) => (call.includes('{') ? undefined : await head.wait());
      const pulling = test.pull({ suffix: 51 });
      await head.reached;
      await cache.settle();
      const { asked } = test;
      head.open();
      assert.deepEqual(asked.sort(), [`${claimed - 51}-${claimed - 1}`, 'whole']);
      test.inOrder.open();
      assert.ok((await pulling).equals(layer.subarray(-51)));
      await test.finish();
      assert.ok((await test.pull()).equals(layer));
    }
  });

  for (const [range, asked, wanted] of [
    [{ suffix: 51 }, '-51', layer.subarray(-51)],
    [
      { first: 8 * mebibyte, last: 8 * mebibyte + 50 },
      `${8 * mebibyte}-${9 * mebibyte - 1}`,
      layer.subarray(8 * mebibyte, 8 * mebibyte + 51),
    ],
    [{ first: 8 * mebibyte }, `${8 * mebibyte}-`, layer.subarray(8 * mebibyte)],
  ] as const)
    it(`is asked for at once where nobody says how long the blob is, and once: ${asked}`, async () => {
      await using test = behindSlowUpstream();
      const { cache } = test;
      const head = gate();
      cache.upstream.script = async (call) => (call.includes('{') ? undefined : await head.wait());
      const pulls = [test.pull(range), test.pull(range)];
      await head.reached;
      await cache.settle();
      assert.deepEqual(test.asked, ['whole', asked]);
      head.open();
      for (const part of await Promise.all(pulls)) assert.ok(part.equals(wanted));
      assert.equal(test.asked.length, 2);
      await test.finish();
      assert.ok((await test.pull()).equals(layer));
      assert.ok(test.given.bytes <= layer.length + 65_536, `${test.given.bytes}`);
    });

  it('is not asked for at once where the end that is wanted may be all of it', async () => {
    await using test = behindSlowUpstream();
    const head = gate();
    test.cache.upstream.script = head.wait;
    const pulling = test.pull({ suffix: 4 * mebibyte });
    await head.reached;
    await test.cache.settle();
    assert.deepEqual(test.asked, ['whole']);
    head.open();
    assert.ok((await pulling).equals(layer.subarray(-4 * mebibyte)));
  });

  it('that is behind the end of a blob of which nobody has said how long it is has others asked for all the same', async () => {
    await using test = behindSlowUpstream();
    const head = gate();
    test.cache.upstream.script = async (call) => (call.includes('{') ? undefined : await head.wait());
    const refused = assert.rejects(test.pull({ first: 20 * mebibyte }), { code: 'RANGE_INVALID' });
    const whole = test.pull();
    await head.reached;
    await test.cache.settle();
    head.open();
    await refused;
    assert.ok((await test.pull({ suffix: 51 })).equals(layer.subarray(-51)));
    assert.deepEqual(test.asked, ['whole', `${20 * mebibyte}-`, `${layer.length - 51}-${layer.length - 1}`]);
    test.inOrder.open();
    assert.ok((await whole).equals(layer));
  });

  it('is not asked for again where upstream refuses it before it has said how long the blob is', async () => {
    await using test = behindSlowUpstream();
    const head = gate();
    test.cache.upstream.script = async (call) => {
      if (call.includes('{')) throw new RegistryError('RANGE_INVALID');
      await head.wait();
    };
    const range = { first: 8 * mebibyte };
    const pulls = [test.pull(range), test.pull({ suffix: 51 })];
    await head.reached;
    await test.cache.settle();
    head.open();
    await test.cache.settle();
    test.inOrder.open();
    const [part, end] = await Promise.all(pulls);
    assert.ok(part?.equals(layer.subarray(range.first)) && end?.equals(layer.subarray(-51)));
    assert.deepEqual(test.asked, ['whole', `${range.first}-`, '-51']);
  });

  it('that an earlier transfer has left is not asked for', async () => {
    await using test = behindSlowUpstream();
    const { cache } = test;
    cache.parts.sizes.claim(alpine, [{ mediaType: layerType, digest, size: layer.length }]);
    await using spool = await cache.blobs.begin();
    spool.mark({ digest, scope: 'docker.io', size: layer.length });
    await spool.write(4 * mebibyte, layer.subarray(4 * mebibyte));
    await spool.keep();
    await spool[Symbol.asyncDispose]();
    const range = { first: 8 * mebibyte, last: 9 * mebibyte };
    assert.ok((await test.pull(range)).equals(layer.subarray(range.first, range.last + 1)));
    assert.equal(test.asked.length, 1);
  });

  it('is brought by the next request in order where that is asked already and the part is just behind it', async () => {
    await using test = behindSlowUpstream();
    const { cache } = test;
    const next = gate();
    const cutOnce = new RegistryError('UNAVAILABLE', 'cut');
    cache.upstream.body = (chunks, call) => (call.includes('{') ? chunks : cut(chunks, stands, cutOnce));
    cache.upstream.script = async (call) => (call.includes('{') ? await next.wait() : undefined);
    const whole = test.pull();
    await cache.settle();
    await cache.clock.advance(400);
    await next.reached;
    const first = stands + 100_000;
    const pulling = test.pull({ first, last: first + 9 });
    await cache.settle();
    assert.deepEqual(test.asked, ['whole', `${stands}-`]);
    next.open();
    assert.ok((await pulling).equals(layer.subarray(first, first + 10)));
    assert.ok((await whole).equals(layer));
    assert.deepEqual(test.asked, ['whole', `${stands}-`]);
  });

  it('is asked for where the next request in order brings nothing for half a second', async () => {
    await using test = behindSlowUpstream();
    const { cache } = test;
    const next = gate();
    const cutOnce = new RegistryError('UNAVAILABLE', 'cut');
    cache.upstream.body = (chunks, call) => (call.includes('{') ? chunks : cut(chunks, stands, cutOnce));
    cache.upstream.script = async (call) =>
      call.endsWith(`{"first":${stands}}`) ? await next.wait() : undefined;
    const whole = test.pull();
    await cache.settle();
    await cache.clock.advance(400);
    await next.reached;
    const first = stands + 100_000;
    const pulling = test.pull({ first, last: first + 9 });
    await cache.settle();
    assert.equal(test.asked.length, 2);
    await cache.clock.advance(500);
    assert.ok((await pulling).equals(layer.subarray(first, first + 10)));
    assert.equal(test.asked.length, 3);
    next.open();
    assert.ok((await whole).equals(layer));
  });

  it('is asked for as soon as what comes in order turns out not to bring it', async () => {
    await using test = behindSlowUpstream();
    const first = stands + 100_000;
    const whole = test.pull();
    await test.inOrder.reached;
    const pulling = test.pull({ first, last: first + 9 });
    await test.cache.settle();
    assert.deepEqual(test.asked, ['whole']);
    await test.cache.clock.advance(500);
    assert.ok((await pulling).equals(layer.subarray(first, first + 10)));
    assert.equal(test.asked.length, 2);
    await test.finish();
    assert.ok((await whole).equals(layer));
  });

  it('is not asked for where what comes in order was here already, and we were held up', async () => {
    await using test = behindSlowUpstream();
    const first = stands + 100_000;
    const whole = test.pull();
    await test.inOrder.reached;
    const pulling = test.pull({ first, last: first + 9 });
    await test.cache.settle();
    const late = test.cache.clock.advance(1500);
    test.inOrder.open();
    await late;
    assert.ok((await pulling).equals(layer.subarray(first, first + 10)));
    assert.ok((await whole).equals(layer));
    assert.deepEqual(test.asked, ['whole']);
  });

  it('is shared by all who want it', async () => {
    await using test = behindSlowUpstream();
    const range = { first: 5 * mebibyte, last: 7 * mebibyte };
    const all = await Promise.all([
      test.pull(range),
      test.pull(range),
      test.pull({ first: 6 * mebibyte, last: 7 * mebibyte }),
    ]);
    assert.deepEqual(
      all.map(({ length }) => length),
      [2 * mebibyte + 1, 2 * mebibyte + 1, mebibyte + 1],
    );
    assert.equal(test.asked.length, 2);
  });

  it('is one of four at a time', async () => {
    await using test = behindSlowUpstream();
    const parts = gate();
    test.cache.upstream.script = async (call) => (call.includes('{') ? await parts.wait() : undefined);
    const pulls = [4, 5, 6, 7, 8, 9, 10].map(
      async (at) => await test.pull({ first: at * mebibyte, last: at * mebibyte + 99 }),
    );
    await parts.reached;
    await test.cache.settle();
    assert.equal(test.asked.length, 5);
    parts.open();
    const all = await Promise.all(pulls);
    for (const [at, body] of all.entries())
      assert.ok(body.equals(layer.subarray((at + 4) * mebibyte).subarray(0, 100)));
    assert.equal(test.asked.length, 8);
  });

  it('ends where the next one begins, and what comes in order waits for what is on its way', async () => {
    await using test = behindSlowUpstream();
    const part = gate();
    const paced = test.cache.upstream.body;
    test.cache.upstream.body = async function* (chunks, call) {
      if (call.includes('{')) await part.wait();
      yield* paced(chunks, call);
    };
    const pulls = [
      test.pull({ first: 6 * mebibyte }),
      test.pull({ first: 4 * mebibyte, last: 9 * mebibyte }),
    ];
    await part.reached;
    await test.cache.settle();
    assert.deepEqual(test.asked, ['whole', `${6 * mebibyte}-`, `${4 * mebibyte}-${6 * mebibyte - 1}`]);
    test.inOrder.open();
    await test.cache.settle();
    assert.equal(test.asked.length, 3);
    part.open();
    const [one, other] = await Promise.all(pulls);
    assert.ok(one?.equals(layer.subarray(6 * mebibyte)));
    assert.ok(other?.equals(layer.subarray(4 * mebibyte, 9 * mebibyte + 1)));
    await test.finish();
    assert.ok((await test.pull()).equals(layer));
    assert.equal(test.asked.length, 3);
  });

  it('comes with what comes in order where upstream gives no parts, and upstream is not asked for ever', async () => {
    await using test = behindSlowUpstream();
    test.cache.upstream.script = (call) => {
      if (call.includes('{')) throw new RegistryError('UNAVAILABLE', 'the whole for a part');
    };
    const pulls = Array.from(
      { length: 9 },
      async (_, at) => await test.pull({ first: (at + 3) * mebibyte, last: (at + 3) * mebibyte + 9 }),
    );
    await test.inOrder.reached;
    await test.cache.settle();
    const asked = test.asked.length;
    assert.ok(asked <= 1 + 4 + 3, `${asked}`);
    test.inOrder.open();
    for (const [at, body] of (await Promise.all(pulls)).entries())
      assert.ok(body.equals(layer.subarray((at + 3) * mebibyte).subarray(0, 10)));
    assert.equal(test.asked.length, asked);
  });

  it('is asked for though others have left before theirs came', async () => {
    await using test = behindSlowUpstream();
    const part = gate();
    const paced = test.cache.upstream.body;
    test.cache.upstream.body = async function* (chunks, call) {
      if (call.includes('{')) await part.wait();
      yield* paced(chunks, call);
    };
    for (const at of [4, 5, 6, 7]) {
      const range = { first: at * mebibyte, last: at * mebibyte + 9 };
      const reader = await test.cache.registry.getBlob(alpine, digest, { range });
      const reading = assert.rejects(collect(reader.body));
      await test.cache.settle();
      await reader[Symbol.asyncDispose]();
      await reading;
    }
    part.open();
    await test.cache.settle();
    assert.equal((await test.pull({ first: 9 * mebibyte, last: 9 * mebibyte + 9 })).length, 10);
  });

  it('ends soon when whoever wanted it has left', async () => {
    await using test = behindSlowUpstream();
    const part = gate();
    const paced = test.cache.upstream.body;
    test.cache.upstream.body = async function* (chunks, call) {
      yield* paced(chunks, call);
      if (call.includes('{')) await part.wait();
    };
    const reader = await test.cache.registry.getBlob(alpine, digest, { range: { first: 4 * mebibyte + 1 } });
    for await (const chunk of reader.body) {
      assert.ok(chunk.length > 0);
      break;
    }
    await reader[Symbol.asyncDispose]();
    await test.cache.settle();
    const before = test.given.bytes;
    await test.cache.settle();
    assert.equal(test.given.bytes, before);
    assert.ok(before <= stands + 2 * mebibyte, `${before}`);
    part.open();
    await test.finish();
    assert.ok((await test.pull()).equals(layer));
  });
});

describe('a part of a blob from a registry of which one transfer runs at a time', () => {
  for (const claimed of [undefined, layer.length])
    it(`waits for what comes in order and not that for it: of ${claimed ?? 'who knows how many'} bytes`, async () => {
      await using made = await UpstreamUnderTest.start({ maxConcurrent: 1 });
      await using cache = new CacheUnderTest({ upstream: made.registry });
      made.upstream.content.putBlob(made.name, layer);
      cache.parts.sizes.claim(made.name, [{ mediaType: layerType, digest, size: claimed ?? 0 }]);
      await using reader = await cache.registry.getBlob(made.name, digest, { range: { suffix: 51 } });
      assert.ok((await collect(reader.body)).equals(layer.subarray(-51)));
    });
});

describe('bytes of a blob that is not what its digest says', () => {
  it('are given to whoever wants a part, end no whole, are not stored and not gone on with', async () => {
    await using test = behindSlowUpstream();
    const paced = test.cache.upstream.body;
    let isWrong = true;
    test.cache.upstream.body = async function* (chunks, call) {
      for await (const chunk of paced(chunks, call)) {
        yield isWrong && call.includes('{') ? Buffer.alloc(chunk.length) : chunk;
      }
    };
    const whole = assert.rejects(test.pull(), /wrong bytes/);
    const part = await test.pull({ first: 4 * mebibyte, last: 5 * mebibyte });
    assert.ok(part.equals(Buffer.alloc(mebibyte + 1)));
    isWrong = false;
    test.inOrder.open();
    await whole;
    await test.cache.settle();
    assert.equal(await test.cache.blobs.stat(digest), undefined);
    assert.ok((await test.pull()).equals(layer));
    assert.equal(test.asked.at(-1), 'whole');
  });

  it('never leave where it is so small that it is held back whole', async () => {
    await using cache = new CacheUnderTest();
    const small = bytes(60_000);
    cache.content.putBlob(alpine, small);
    cache.upstream.body = async function* (chunks) {
      for await (const chunk of chunks) yield Buffer.alloc(chunk.length);
    };
    await using reader = await cache.registry.getBlob(alpine, sha256(small), {
      range: { first: 100, last: 199 },
    });
    await assert.rejects(collect(reader.body), /wrong bytes/);
  });
});

describe('an upstream that lies in parts, and has the whole right,', () => {
  /** As each of its parts begins. */
  const wrong = Buffer.alloc(10);

  /** Every part is wrong; of `layers` blobs the one at `place` is pulled. */
  function behindLyingParts(layers = 1) {
    const cache = new CacheUnderTest();
    const blobs = Array.from({ length: layers }, (_, at) =>
      Buffer.concat([layer.subarray(0, 4 * mebibyte), Buffer.from([at])]),
    );
    for (const blob of blobs) cache.content.putBlob(alpine, blob);
    const lies = { inParts: true, inTheWhole: false };
    cache.upstream.body = async function* (chunks, call) {
      const isPart = call.includes('{');
      // What comes in order is slower: whoever wants a part has it before.
      for await (const chunk of chunks) {
        if (!isPart) await setImmediate();
        yield (isPart ? lies.inParts : lies.inTheWhole) ? Buffer.alloc(chunk.length) : chunk;
      }
    };
    return {
      cache,
      blobs,
      lies,
      /** What upstream was asked for since the last time. */
      asked: (): string[] =>
        cache.upstream.calls.splice(0).map((call) => /\{.*\}/.exec(call)?.[0] ?? 'whole'),
      async pull(place: number, range?: RangeSpec): Promise<Buffer> {
        const wanted = sha256(blobs[place] ?? Buffer.of());
        await using reader = await cache.registry.getBlob(alpine, wanted, { range });
        return await collect(reader.body);
      },
      /** The whole, and a part of it beside. */
      async pullBoth(place = 0): Promise<{ whole: Buffer | undefined; part: Buffer }> {
        const pulling = this.pull(place).catch(() => undefined);
        const part = await this.pull(place, { first: 3 * mebibyte, last: 3 * mebibyte + 9 });
        const whole = await pulling;
        await cache.settle();
        return { whole, part };
      },
      [Symbol.asyncDispose]: async () => await cache[Symbol.asyncDispose](),
    };
  }

  it('fails one pull beside those who want parts, and not the next', async () => {
    await using test = behindLyingParts();
    const first = await test.pullBoth();
    assert.equal(first.whole, undefined);
    assert.ok(first.part.equals(wrong));
    test.asked();
    const second = await test.pullBoth();
    assert.ok(second.whole?.equals(test.blobs[0] ?? wrong));
    assert.ok(second.part.equals(layer.subarray(3 * mebibyte).subarray(0, 10)));
    assert.deepEqual(test.asked(), ['whole']);
    assert.ok((await test.pullBoth()).whole?.equals(test.blobs[0] ?? wrong));
    assert.deepEqual(test.asked(), []);
  });

  it('is not believed when it goes on where a transfer was cut either', async () => {
    await using test = behindLyingParts();
    const { cache } = test;
    const lying = cache.upstream.body;
    const cutOnce = () => {
      let cuts = 0;
      cache.upstream.body = (chunks, call) => {
        cuts += 1;
        const error = new RegistryError('UNAVAILABLE', 'cut');
        return cuts === 1 ? cut(lying(chunks, call), 2 * mebibyte, error) : lying(chunks, call);
      };
    };
    const pull = async () => {
      cutOnce();
      const pulling = test.pull(0).catch(() => undefined);
      await cache.settle();
      for (let pause = 0; pause < 500 && cache.parts.fills.running > 0; pause += 1) {
        await cache.settle();
        await cache.clock.advance(1000);
      }
      return await pulling;
    };
    assert.equal(await pull(), undefined);
    test.asked();
    assert.ok((await pull())?.equals(test.blobs[0] ?? wrong));
    assert.deepEqual(test.asked(), ['whole', 'whole']);
  });

  it('is asked for no parts at all for a while, when three blobs had it so', async () => {
    await using test = behindLyingParts(5);
    for (const place of [0, 1, 2]) {
      assert.equal((await test.pullBoth(place)).whole, undefined);
      assert.ok((await test.pullBoth(place)).whole?.equals(test.blobs[place] ?? wrong));
    }
    test.asked();
    assert.ok((await test.pullBoth(3)).whole?.equals(test.blobs[3] ?? wrong));
    assert.deepEqual(test.asked(), ['whole']);
    await test.cache.clock.advance(3_600_000);
    test.lies.inParts = false;
    assert.ok((await test.pullBoth(4)).whole?.equals(test.blobs[4] ?? wrong));
    assert.equal(test.asked().length, 3);
  });

  it('is nothing that a wrong whole shows', async () => {
    await using test = behindLyingParts();
    test.lies.inTheWhole = true;
    assert.equal(await test.pull(0).catch(() => undefined), undefined);
    await test.cache.settle();
    test.lies.inTheWhole = false;
    test.lies.inParts = false;
    test.asked();
    assert.ok((await test.pullBoth()).whole?.equals(test.blobs[0] ?? wrong));
    assert.equal(test.asked().length, 3);
  });
});

describe('what a transfer leaves that has failed', () => {
  it('is gone on with by the next one', async () => {
    await using test = behindSlowUpstream();
    test.inOrder.open();
    const paced = test.cache.upstream.body;
    test.cache.upstream.body = (chunks, call) =>
      cut(
        paced(chunks, call),
        call.includes('{') ? 0 : 5 * mebibyte,
        new RegistryError('UNAVAILABLE', 'cut'),
      );
    const failed = assert.rejects(test.pull());
    for (let pause = 0; pause < 5; pause += 1) {
      await test.cache.settle();
      await test.cache.clock.advance(60_000);
    }
    await failed;
    await test.cache.settle();
    test.cache.upstream.body = paced;
    const before = test.asked.length;
    assert.ok((await test.pull()).equals(layer));
    // Its last bytes are asked for anew: that upstream gives them shows whose they are.
    assert.deepEqual(test.asked.slice(before), [`${5 * mebibyte - 65_536}-`]);
  });

  it('is gone on with by whoever asks while one is being ended', async () => {
    await using test = behindSlowUpstream();
    const ended = assert.rejects(test.pull(), /there are too many/);
    await test.inOrder.reached;
    await test.cache.settle();
    test.fill?.cancel(new Error('there are too many'));
    const pulling = test.pull();
    test.inOrder.open();
    assert.ok((await pulling).equals(layer));
    assert.deepEqual(test.asked, ['whole', `${stands - 65_536}-`]);
    await ended;
  });

  it('is given to nobody whom upstream refuses', async () => {
    await using test = behindSlowUpstream();
    const { cache } = test;
    await using spool = await cache.blobs.begin();
    spool.mark({ digest, scope: 'docker.io', size: layer.length });
    await spool.write(0, layer.subarray(0, 5 * mebibyte));
    await spool.keep();
    await spool[Symbol.asyncDispose]();
    cache.upstream.script = () => {
      throw new RegistryError('DENIED');
    };
    for (const range of [undefined, { first: 0, last: 9 }])
      await assert.rejects(test.pull(range), { code: 'DENIED' });
    cache.upstream.script = () => undefined;
    assert.ok((await test.pull({ first: 0, last: 9 })).equals(layer.subarray(0, 10)));
    assert.deepEqual(test.asked.slice(-1), [`${5 * mebibyte - 65_536}-`]);
  });

  for (const more of [1000, mebibyte])
    it(`is forgotten where it has more bytes than upstream says that the blob has: ${more}`, async () => {
      await using test = behindSlowUpstream();
      await using spool = await test.cache.blobs.begin();
      spool.mark({ digest, scope: 'docker.io', size: undefined });
      await spool.write(mebibyte, bytes(layer.length - mebibyte + more));
      await spool.keep();
      await spool[Symbol.asyncDispose]();
      test.inOrder.open();
      await assert.rejects(test.pull());
      assert.ok((await test.pull()).equals(layer));
      await test.finish();
      assert.equal((await test.cache.blobs.stat(digest))?.size, layer.length);
    });
});

describe('a blob of which parts came first', () => {
  it('is hashed in order, whatever the order in which they came', async () => {
    await using test = behindSlowUpstream();
    for (const at of [9, 3, 7, 5, 11]) await test.pull({ first: at * mebibyte, last: at * mebibyte + 10 });
    await test.finish();
    const hasher = new DigestHasher(digest);
    hasher.update(await test.pull());
    assert.equal(hasher.verify().size, layer.length);
    assert.equal((await test.cache.blobs.stat(digest))?.size, layer.length);
    assert.ok(test.given.bytes <= layer.length + 6 * 65_536, `${test.given.bytes}`);
  });
});
