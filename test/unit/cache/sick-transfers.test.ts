import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { hostOf } from '#src/oci/reference.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import type { UpstreamSettings } from '#src/upstream/upstream.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import type { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { cut, gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';
import { on, rangeIgnored, stalledAfter, times } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const layer = Buffer.from(bytes(1_000_000));
const digest = sha256(layer);
const alpine = repository('docker.io/library/alpine');
/** What a transfer is given before it is judged. Milliseconds. */
const windowMs = 10_000;

/** The real client in front of an upstream whose first answer stands still after half of the layer. */
async function standing(settings: Partial<UpstreamSettings> = {}) {
  const stack = new AsyncDisposableStack();
  const made = stack.use(await UpstreamUnderTest.start(settings));
  const cache = stack.use(new CacheUnderTest({ upstream: made.registry }));
  const still = gate();
  stack.defer(still.open);
  made.upstream.content.putBlob(made.name, layer);
  const fault = times(1, stalledAfter(500_000, still.wait));
  made.spoil(on(/blobs/, fault));
  return {
    made,
    cache,
    still,
    fault,
    async pull(): Promise<Buffer> {
      await using reader = await cache.registry.getBlob(made.name, digest);
      return await collect(reader.body);
    },
    get asked(): string[] {
      return made.upstream.requests.map(({ headers }) => headers.range?.replace('bytes=', '') ?? 'whole');
    },
    [Symbol.asyncDispose]: async () => await stack.disposeAsync(),
  };
}

describe('a transfer that stands still', () => {
  it('is taken over by another connection at its byte; both who read it have it whole', async () => {
    await using test = await standing();
    const pulling = [test.pull(), test.pull()];
    await test.still.reached;
    await test.cache.settle();
    await test.cache.clock.advance(windowMs - 1);
    assert.deepEqual(test.asked, ['whole']);
    await test.cache.clock.advance(1);
    for (const body of await Promise.all(pulling)) assert.ok(body.equals(layer));
    assert.deepEqual(test.asked, ['whole', '500000-']);
    await test.cache.parts.fills.get(hostOf(test.made.name), digest)?.done;
    assert.ok((await test.pull()).equals(layer));
    assert.equal(test.asked.length, 2);
  });

  it('is taken over though the registry has no further place', async () => {
    await using test = await standing({ maxConcurrent: 1 });
    const pulling = test.pull();
    await test.still.reached;
    await test.cache.settle();
    await test.cache.clock.advance(windowMs);
    assert.ok((await pulling).equals(layer));
    assert.deepEqual(test.asked, ['whole', '500000-']);
  });

  it('is taken over by the whole, from an upstream that knows no ranges', async () => {
    await using test = await standing();
    test.made.spoil(on(/blobs/, test.fault), rangeIgnored);
    const pulling = test.pull();
    await test.still.reached;
    await test.cache.settle();
    await test.cache.clock.advance(windowMs);
    assert.ok((await pulling).equals(layer));
    assert.equal(test.made.upstream.requests.length, 2);
  });

  it('at a mirror goes on at the registry', async () => {
    const content = new MemoryRegistry();
    content.putBlob(alpine, layer);
    const [mirror, itself] = [new ScriptedRegistry(content), new ScriptedRegistry(content)];
    const still = gate();
    mirror.body = async function* () {
      yield layer.subarray(0, 300_000);
      await still.wait();
    };
    await using cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
    const pulling = (async () => {
      await using reader = await cache.registry.getBlob(alpine, digest);
      return await collect(reader.body);
    })();
    await still.reached;
    await cache.clock.advance(windowMs);
    assert.ok((await pulling).equals(layer));
    assert.deepEqual(mirror.calls, [`GET ${alpine} blob ${digest}`]);
    assert.deepEqual(itself.calls, [`GET ${alpine} blob ${digest} {"first":300000}`]);
    still.open();
  });
});

describe('a part of a blob that stands still at a mirror', () => {
  async function* stuckAfter(some: Uint8Array, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield some;
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }

  it('is asked for at the next place, while the rest comes from there', async () => {
    const large = Buffer.from(bytes(4 * 1024 * 1024));
    const content = new MemoryRegistry();
    const its = content.putBlob(alpine, large).digest;
    const [mirror, itself] = [new ScriptedRegistry(content), new ScriptedRegistry(content)];
    await using cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
    const range = { first: 3 * 1024 * 1024, last: 3 * 1024 * 1024 + 99 };
    const still = gate();
    const getBlob = mirror.getBlob.bind(mirror);
    mirror.getBlob = async (name, asked, options = {}) => {
      const reader = await getBlob(name, asked, options);
      if (options.range === undefined || options.signal === undefined) return reader;
      still.open();
      return { ...reader, body: stuckAfter(large.subarray(range.first, range.first + 10), options.signal) };
    };
    mirror.body = (chunks) => dripping(chunks, 32_768, cache.clock);
    const pulling = (async () => {
      await using reader = await cache.registry.getBlob(alpine, its, { range });
      return await collect(reader.body);
    })();
    await still.passed;
    for (let second = 0; second < 12; second += 1) {
      await cache.settle();
      await cache.clock.advance(1000);
    }
    assert.ok((await pulling).equals(large.subarray(range.first, range.last + 1)));
    const [part = ''] = itself.calls;
    assert.match(part, new RegExp(`"first":${range.first + 10},`));
    assert.deepEqual([mirror.calls.length, itself.calls.length], [2, 1]);
  });
});

/** So many bytes each second, as far as the test lets time pass. */
async function* dripping(
  chunks: AsyncIterable<Uint8Array>,
  bytesEach: number,
  clock: FakeClock,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks)
    for (let at = 0; at < chunk.length; at += bytesEach) {
      await clock.sleep(1000);
      yield chunk.subarray(at, at + bytesEach);
    }
}

describe('a transfer that drips', () => {
  const small = layer.subarray(0, 200_000);
  const its = sha256(small);

  /** The first answer drips; what comes of the others is the test's. Waits as long as it takes. */
  async function pulled(cache: CacheUnderTest): Promise<Buffer> {
    cache.content.putBlob(alpine, small);
    const state = { isOver: false };
    const pulling = (async () => {
      await using reader = await cache.registry.getBlob(alpine, its);
      return await collect(reader.body);
    })().finally(() => (state.isOver = true));
    pulling.catch(() => undefined);
    for (let second = 0; !state.isOver && second < 1000; second += 1) {
      await cache.clock.advance(1000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await pulling;
  }

  it('is not given up while the next one brings nothing, nor when that fails', async () => {
    await using cache = new CacheUnderTest();
    cache.upstream.script = () => {
      if (cache.upstream.calls.length > 1) throw new RegistryError('UNAVAILABLE', 'no more connections');
    };
    cache.upstream.body = (chunks) => dripping(chunks, 1000, cache.clock);
    assert.ok((await pulled(cache)).equals(small));
    // After 10, 30, 70 and 150 seconds of 200.
    assert.equal(cache.upstream.calls.length, 5);
  });

  it('keeps its connection where another is no faster, which is tried less and less', async () => {
    await using cache = new CacheUnderTest();
    let count = 0;
    cache.upstream.body = (chunks) => {
      count += 1;
      return count === 1 ? dripping(chunks, 1000, cache.clock) : dripping(chunks, 40, cache.clock);
    };
    // Who is at byte 10,000 and brings 40 a second is never ahead.
    cache.upstream.size = (size) => size;
    assert.ok((await pulled(cache)).equals(small));
    assert.ok(count >= 2 && count <= 5, `${count} connections`);
  });

  it('is whole where upstream drips on every connection', async () => {
    await using cache = new CacheUnderTest();
    cache.upstream.body = (chunks) => dripping(chunks, 2000, cache.clock);
    assert.ok((await pulled(cache)).equals(small));
    assert.ok(cache.upstream.calls.length <= 5, cache.upstream.calls.join('\n'));
  });

  it('is healed by the next connection within its bytes, none of them twice', async () => {
    await using cache = new CacheUnderTest();
    let count = 0;
    cache.upstream.body = (chunks) => {
      count += 1;
      return count === 1 ? dripping(chunks, 1000, cache.clock) : chunks;
    };
    const since = cache.clock.monotonic();
    assert.ok((await pulled(cache)).equals(small));
    assert.equal(count, 2);
    assert.ok(cache.clock.monotonic() - since <= 15_000);
    const [, resumed] = cache.upstream.calls;
    assert.match(resumed ?? '', /\{"first":(9|10)000\}$/);
  });
});

describe('a transfer that repeats what is here, from an upstream that knows no ranges', () => {
  for (const isClient of [true, false])
    it(`is not taken for a sick one, ${isClient ? 'nor' : 'even where no client waits for it, nor'} tried on another connection`, async () => {
      await using cache = new CacheUnderTest();
      cache.content.putBlob(alpine, layer);
      const ask = cache.upstream.getBlob.bind(cache.upstream);
      cache.upstream.getBlob = async (name, its, { signal } = {}) => await ask(name, its, { signal });
      let count = 0;
      cache.upstream.body = (chunks) => {
        count += 1;
        const error = new RegistryError('UNAVAILABLE', 'cut');
        return count === 1 ? cut(chunks, 600_000, error) : dripping(chunks, 20_000, cache.clock);
      };
      const reader = await cache.registry.getBlob(alpine, digest);
      const reading = isClient ? collect(reader.body) : reader[Symbol.asyncDispose]();
      const { done } = cache.parts.fills.get(hostOf(alpine), digest) ?? assert.fail();
      for (let second = 0; cache.parts.fills.running > 0 && second < 200; second += 1) {
        await cache.clock.advance(1000);
        await cache.settle();
      }
      await done;
      await reading;
      assert.equal((await cache.blobs.stat(digest))?.size, layer.length);
      assert.equal(count, 2);
    });
});

describe('a transfer that its readers hold up', () => {
  it('is not taken for a sick one', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const large = bytes(20_000_000);
    const { digest: its } = cache.content.putBlob(alpine, large);
    await using reader = await cache.registry.getBlob(alpine, its);
    const body = reader.body[Symbol.asyncIterator]();
    await body.next();
    await cache.clock.untilPausing();
    await cache.settle();
    for (let second = 0; second < 25; second += 1) await cache.clock.advance(1000);
    assert.equal(cache.upstream.calls.length, 1);
  });
});
