import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { ociManifest } from '#src/oci/media-type.ts';
import { type Digest, parseDigest, parseTag } from '#src/oci/reference.ts';
import type { ResolveBlobOptions } from '#src/oci/registry.ts';
import { Stopping } from '#src/oci/stopping.ts';
import { StoreFullError } from '#src/storage/content-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect, putImage } from '#test/fakes/images.ts';
import { indexThatWaits, scriptedIndex } from '#test/fakes/scripted-index.ts';
import { cut, gate } from '#test/fakes/scripted-registry.ts';
import { repetitions } from '#test/setup/repetitions.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const foreign = repository('evil.example.com/x');

async function pull(
  cache: CacheUnderTest,
  digest: Digest,
  range?: { first: number; last?: number },
  name = alpine,
): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(name, digest, { ...cache.reporting, range });
  return await collect(reader.body);
}

describe('a blob that is not cached', () => {
  it('is fetched once for twenty clients that come at once, and afterwards not at all', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(300_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    const bodies = await Promise.all(Array.from({ length: 20 }, async () => await pull(cache, digest)));
    for (const body of bodies) assert.deepEqual(body, Buffer.from(layer));
    await cache.settle();
    assert.deepEqual(await pull(cache, digest), Buffer.from(layer));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
  });

  it('reaches the cache though the client that asked first has left in the middle', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(400_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    const half = gate();
    cache.upstream.body = async function* (chunks) {
      let sent = 0;
      for await (const chunk of chunks) {
        if (sent >= 200_000) await half.wait();
        sent += chunk.length;
        yield chunk;
      }
    };
    const client = new AbortController();
    const reader = await cache.registry.getBlob(alpine, digest, { signal: client.signal });
    const reading = collect(reader.body);
    await half.reached;
    client.abort(new Error('client is gone'));
    await assert.rejects(reading, /disposed/);
    await reader[Symbol.asyncDispose]();
    half.open();
    await cache.settle();
    assert.deepEqual(await pull(cache, digest), Buffer.from(layer));
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
  });

  it('gives its first bytes before the last have come, and holds back the end until the digest matched', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(300_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    const end = gate();
    cache.upstream.body = async function* (chunks) {
      yield* chunks;
      await end.wait();
    };
    await using reader = await cache.registry.getBlob(alpine, digest);
    let seen = 0;
    const reading = (async () => {
      for await (const chunk of reader.body) seen += chunk.length;
    })();
    await end.reached;
    await cache.settle();
    assert.ok(seen > 0 && seen <= 300_000 - 65_536, `saw ${seen} bytes`);
    end.open();
    await reading;
    assert.equal(seen, 300_000);
  });

  it('is never completed, stored or remembered when its bytes are wrong', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(200_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.body = async function* (chunks) {
      for await (const chunk of chunks)
        yield Uint8Array.from(chunk, (byte, at) => (at === 0 ? byte ^ 1 : byte));
    };
    const seen: Uint8Array[] = [];
    await assert.rejects(
      async () => {
        await using reader = await cache.registry.getBlob(alpine, digest);
        for await (const chunk of reader.body) seen.push(Uint8Array.from(chunk));
      },
      {
        code: 'UNAVAILABLE',
        status: 502,
        message: new RegExp(`^upstream sent wrong bytes: want ${digest}, got sha256:`),
      },
    );
    assert.ok(Buffer.concat(seen).length <= 200_000 - 65_536);
    await cache.settle();
    assert.equal(await cache.parts.content.stat(digest), undefined);
    cache.upstream.body = (chunks) => chunks;
    assert.deepEqual(await pull(cache, digest), Buffer.from(layer));
  });

  it('gives upstream’s error to all ten who wait for it', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(10));
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE', 'upstream is down');
    };
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, async () => await pull(cache, digest)),
    );
    for (const result of results) {
      assert.ok(result.status === 'rejected' && result.reason instanceof RegistryError);
      assert.equal(result.reason.status, 502);
    }
  });

  it('is resumed where the transfer was cut', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(500_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.body = (chunks, call) =>
      call.endsWith('}') ? chunks : cut(chunks, 200_001, new Error('reset'));
    const pulling = pull(cache, digest);
    await cache.clock.untilPausing();
    await cache.clock.advance(5000);
    assert.deepEqual(await pulling, Buffer.from(layer));
    assert.deepEqual(cache.upstream.calls, [
      `GET ${alpine} blob ${digest}`,
      `GET ${alpine} blob ${digest} {"first":200001}`,
    ]);
  });

  it('of which upstream has no more when it is to be resumed is upstream’s failure, not that of who asked', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: 150_000 }]);
    cache.upstream.size = () => undefined;
    cache.upstream.body = async function* () {
      yield bytes(100_000, 7);
    };
    const failing = assert.rejects(pull(cache, digest), { status: 502 });
    await cache.clock.untilPausing();
    await cache.clock.advance(5000);
    await failing;
  });

  it('fails after five resumes that brought nothing', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(500_000));
    cache.upstream.body = (chunks, call) => cut(chunks, call.endsWith('}') ? 0 : 100_000, new Error('reset'));
    const pulling = assert.rejects(pull(cache, digest), /reset/);
    for (let resume = 0; resume < 5; resume += 1) {
      await cache.clock.untilPausing();
      await cache.clock.advance(5000);
    }
    await pulling;
    assert.equal(cache.upstream.calls.length, 6);
  });

  it('is refused when upstream sends more bytes than it said', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    cache.upstream.size = () => 70_000;
    await assert.rejects(pull(cache, digest), /more than the blob's 70000 bytes/);
  });

  it('is right though upstream goes on behind its end, and nothing of that is given or kept', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(100_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.body = async function* (chunks) {
      yield* chunks;
      yield bytes(10);
    };
    assert.ok((await pull(cache, digest)).equals(layer));
    await cache.settle();
    assert.equal((await cache.parts.content.stat(digest))?.size, layer.length);
  });

  it('gives no more of what came once that is known to be wrong', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(400_000));
    const end = gate();
    cache.upstream.body = async function* () {
      yield bytes(400_000, 7);
      await end.wait();
    };
    await using reader = await cache.registry.getBlob(alpine, digest);
    const body = reader.body[Symbol.asyncIterator]();
    await body.next();
    await end.reached;
    end.open();
    await cache.settle();
    await assert.rejects(body.next(), new RegExp(`want ${digest}`));
  });

  it('never grows beyond what its manifest says, though that was read a moment ago and is not stored yet', async () => {
    const storing = gate();
    const metadata = indexThatWaits('put manifest', async () => await storing.wait());
    await using cache = new CacheUnderTest({ metadata, policy: { complete: false } });
    const tag = parseTag('v1');
    const digest = putImage(cache.content, alpine, tag, [bytes(70_000)]).layers[0]?.digest ?? assert.fail();
    cache.upstream.size = () => undefined;
    cache.upstream.body = async function* () {
      for (let sent = 0; sent < 100; sent += 1) yield bytes(9_999);
    };
    await cache.registry.getManifest(alpine, tag);
    await storing.reached;
    await assert.rejects(pull(cache, digest), /more than the blob's 70000 bytes/);
    storing.open();
  });

  it('is right for every range, while it grows and afterwards', async () => {
    const layer = Buffer.from(bytes(200_000));
    const digest = sha256(layer);
    await fc.assert(
      fc.asyncProperty(fc.nat(199_999), fc.option(fc.nat(250_000)), async (first, length) => {
        await using cache = new CacheUnderTest();
        cache.content.putBlob(alpine, layer);
        const range = length === null ? { first } : { first, last: first + length };
        const want = layer.subarray(first, length === null ? undefined : first + length + 1);
        assert.ok(want.equals(await pull(cache, digest, range)));
        await cache.settle();
        assert.ok(want.equals(await pull(cache, digest, range)));
        assert.equal(cache.upstream.calls.length, 1);
      }),
      { numRuns: repetitions(25) },
    );
  });
});

describe('a blob of another repository', () => {
  it('is served from the store only after upstream said that this repository owns it too', async () => {
    await using cache = new CacheUnderTest();
    const layer = bytes(1000);
    const { digest } = cache.content.putBlob(alpine, layer);
    await pull(cache, digest);
    await cache.settle();
    await assert.rejects(pull(cache, digest, undefined, other), { code: 'NAME_UNKNOWN' });
    cache.content.putBlob(repository('docker.io/acme/third'), layer);
    assert.deepEqual(
      await pull(cache, digest, undefined, repository('docker.io/acme/third')),
      Buffer.from(layer),
    );
    assert.deepEqual(cache.upstream.calls.slice(1), [
      `HEAD ${other} blob ${digest}`,
      `HEAD docker.io/acme/third blob ${digest}`,
    ]);
  });

  it('of another registry is fetched: one registry’s word does not open what another gave', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(1000));
    await pull(cache, digest);
    await cache.settle();
    cache.content.putBlob(foreign, bytes(1000));
    await pull(cache, digest, undefined, foreign);
    assert.deepEqual(cache.upstream.calls.slice(1), [`GET ${foreign} blob ${digest}`]);
  });
});

describe('a HEAD of a blob', () => {
  /** An upstream whose HEAD says this size; what it was asked. */
  function saying(cache: CacheUnderTest, size: number | undefined): (ResolveBlobOptions | undefined)[] {
    const options: (ResolveBlobOptions | undefined)[] = [];
    cache.upstream.resolveBlob = async (_, digest, asked) => {
      options.push(asked);
      return { digest, size };
    };
    return options;
  }

  it('has the size that the repository’s manifest names, which upstream is not asked for', async () => {
    for (const size of [undefined, 7]) {
      await using cache = new CacheUnderTest();
      const { layers } = putImage(cache.content, alpine, 'v1', [bytes(1000)]);
      await cache.registry.getManifest(alpine, parseTag('v1'));
      const digest = layers[0]?.digest as Digest;
      const asked = saying(cache, size);
      assert.deepEqual(await cache.registry.resolveBlob(alpine, digest), { digest, size: 1000 });
      assert.deepEqual(asked, [{ sizeKnown: true }]);
    }
  });

  it('has the size of the bytes that another repository brought, once upstream says that this one owns them', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(1000));
    await pull(cache, digest);
    await cache.settle();
    const asked = saying(cache, undefined);
    assert.deepEqual(await cache.registry.resolveBlob(other, digest), { digest, size: 1000 });
    assert.deepEqual(asked, [{ sizeKnown: true }]);
  });

  it('has upstream’s size where nothing else is known, and a manifest’s 0 is nothing', async () => {
    await using cache = new CacheUnderTest();
    const digest = sha256(bytes(1000));
    const liar = JSON.stringify({ schemaVersion: 2, layers: [{ mediaType: 'x/y', digest, size: 0 }] });
    cache.content.putManifest(alpine, parseTag('v1'), Buffer.from(liar), ociManifest);
    const asked = saying(cache, 1000);
    assert.deepEqual(await cache.registry.resolveBlob(alpine, digest), { digest, size: 1000 });
    await cache.registry.getManifest(alpine, parseTag('v1'));
    assert.deepEqual(await cache.registry.resolveBlob(alpine, digest), { digest, size: 1000 });
    assert.deepEqual(asked, [{ sizeKnown: false }, { sizeKnown: false }]);
  });

  it('has 0 for the blob of no bytes, whatever upstream says', async () => {
    await using cache = new CacheUnderTest();
    saying(cache, 7);
    for (const algorithm of ['sha256', 'sha512']) {
      const digest = parseDigest(`${algorithm}:${createHash(algorithm).digest('hex')}`);
      assert.deepEqual(await cache.registry.resolveBlob(alpine, digest), { digest, size: 0 });
    }
  });
});

describe('a blob that upstream does not have', () => {
  it('is asked for once in ten seconds', async () => {
    await using cache = new CacheUnderTest();
    cache.content.putBlob(alpine, bytes(1));
    const absent = sha256(bytes(2));
    await assert.rejects(pull(cache, absent), { status: 404 });
    await assert.rejects(pull(cache, absent), { status: 404 });
    assert.equal(cache.upstream.calls.length, 1);
    await cache.clock.advance(10_000);
    await assert.rejects(pull(cache, absent), { status: 404 });
    assert.equal(cache.upstream.calls.length, 2);
  });
});

describe('when the store does not answer', () => {
  it('a blob passes through all the same, as far as memory holds it, and is stored in the end', async () => {
    const store = new MemoryBlobStore();
    const begin = store.begin.bind(store);
    const answers = gate();
    store.begin = async () => {
      await answers.wait();
      return await begin();
    };
    await using cache = new CacheUnderTest({ blobs: store });
    const layer = bytes(600_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.body = async function* () {
      yield layer.subarray(0, 32_000);
      yield layer.subarray(32_000);
    };
    assert.ok((await pull(cache, digest)).equals(layer));
    answers.open();
    await cache.settle();
    assert.equal((await store.stat(digest))?.size, layer.length);
  });
});

describe('when the store is full', () => {
  for (const capacity of [0, 150_000]) {
    it(`a blob passes through to several clients (${capacity} bytes of room)`, async () => {
      await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity }) });
      const layer = bytes(12_000_000);
      const { digest } = cache.content.putBlob(alpine, layer);
      const bodies = await Promise.all([pull(cache, digest), pull(cache, digest)]);
      for (const body of bodies) assert.ok(body.equals(layer));
      assert.equal(cache.upstream.calls.length, 1);
      await cache.settle();
      assert.equal(await cache.parts.content.stat(digest), undefined);
    });
  }

  it('a client that stopped reading is dropped, the others go on', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const layer = bytes(20_000_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    await using stuck = await cache.registry.getBlob(alpine, digest);
    const stuckBody = stuck.body[Symbol.asyncIterator]();
    const pulling = pull(cache, digest);
    await stuckBody.next();
    await cache.clock.untilPausing();
    await cache.settle();
    await cache.clock.advance(30_000);
    assert.ok((await pulling).equals(layer));
    await assert.rejects(stuckBody.next(), /too slow/);
  });

  it('a blob of unknown size, of which a part is wanted when its beginning has passed, is fetched again', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const layer = bytes(3_000_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.size = () => undefined;
    const rest = gate();
    cache.upstream.body = async function* () {
      yield layer.subarray(0, 1_000_000);
      await cache.settle();
      yield layer.subarray(1_000_000, 2_000_000);
      await rest.wait();
      yield layer.subarray(2_000_000);
    };
    const pulling = pull(cache, digest);
    await rest.reached;
    await cache.settle();
    const part = pull(cache, digest, { first: 1_500_000 });
    await cache.settle();
    rest.open();
    assert.ok((await part).equals(layer));
    assert.ok((await pulling).equals(layer));
    // Before anybody knows that upstream does not say the size the part is asked for beside the whole.
    const blob = `GET ${alpine} blob ${digest}`;
    assert.deepEqual(cache.upstream.calls, [blob, blob, `${blob} {"first":1500000}`]);
  });

  it('a blob that passed by while upstream was asked about another repository is fetched again', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const layer = bytes(3_000_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.content.putBlob(other, layer);
    const [begun, rest, asked] = [gate(), gate(), gate()];
    cache.upstream.script = async (call) => (call.startsWith('HEAD') ? await asked.wait() : undefined);
    cache.upstream.body = async function* (_, call) {
      if (call.includes(alpine)) await begun.wait();
      yield layer.subarray(0, 1_000_000);
      yield layer.subarray(1_000_000, 2_000_000);
      if (call.includes(alpine)) await rest.wait();
      yield layer.subarray(2_000_000);
    };
    const pulling = pull(cache, digest);
    await begun.reached;
    const second = pull(cache, digest, undefined, other);
    await asked.reached;
    await cache.settle();
    begun.open();
    await rest.reached;
    asked.open();
    await cache.settle();
    rest.open();
    assert.ok((await second).equals(layer));
    assert.ok((await pulling).equals(layer));
    assert.equal(cache.upstream.calls.filter((call) => call.startsWith('GET')).length, 2);
  });

  it('and the server stops while the last bytes wait for a slow client, it is told so: its blob does not end short', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const layer = bytes(12_000_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.upstream.body = async function* () {
      yield layer.subarray(0, 11_999_000);
      yield layer.subarray(11_999_000);
    };
    await using reader = await cache.registry.getBlob(alpine, digest);
    const body = reader.body[Symbol.asyncIterator]();
    await body.next();
    await cache.clock.untilPausing();
    await cache.parts.fills[Symbol.asyncDispose]();
    await assert.rejects(
      async () => {
        while ((await body.next()).done !== true);
      },
      (error) => error instanceof Stopping,
    );
  });

  it('and the server has ended its transfers, is not begun any more: who asks is told when to come again', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(1000));
    await cache.parts.fills[Symbol.asyncDispose]();
    await assert.rejects(cache.registry.getBlob(alpine, digest), {
      code: 'UNAVAILABLE',
      status: 503,
      message: 'the server is stopping',
      headers: { Connection: 'close', 'Retry-After': '5' },
    });
    assert.deepEqual(cache.upstream.calls, []);
  });
});

/** An index on a disk that can be filled. */
function indexOnDisk() {
  const disk = { isFull: false };
  const metadata = scriptedIndex((store) => ({
    change: async (operations) => {
      if (disk.isFull) throw new StoreFullError('full');
      await store.change(operations);
    },
  }));
  return { disk, metadata };
}

describe('a full disk under the index', () => {
  async function filledCache() {
    const { disk, metadata } = indexOnDisk();
    const cache = new CacheUnderTest({ metadata });
    const layer = bytes(100_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    cache.content.putBlob(other, layer);
    await pull(cache, digest);
    await cache.settle();
    disk.isFull = true;
    return { cache, layer: Buffer.from(layer), digest };
  }

  it('does not keep a stored blob from another repository that owns it, which is asked for once', async () => {
    const { cache, layer, digest } = await filledCache();
    await using _ = cache;
    for (let time = 0; time < 2; time += 1)
      assert.deepEqual(await pull(cache, digest, undefined, other), layer);
    assert.deepEqual(cache.outcome, { kind: 'hit' });
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`, `HEAD ${other} blob ${digest}`]);
  });

  it('does not keep a blob whose bytes are gone from being fetched again', async () => {
    const { cache, layer, digest } = await filledCache();
    await using _ = cache;
    await cache.parts.content.delete(digest);
    assert.deepEqual(await pull(cache, digest), layer);
    await cache.settle();
    assert.deepEqual(await pull(cache, digest), layer);
    assert.equal(cache.upstream.calls.length, 2);
  });
});
