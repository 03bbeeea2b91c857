import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryError } from '#src/oci/error.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { BlobReader } from '#src/oci/registry.ts';
import { FallbackRegistry } from '#src/registry/fallback-registry.ts';
import { MemoryRegistry } from '#src/registry/memory-registry.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { cut, gate, ScriptedRegistry } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const kibibyte = 1024;

/** Counts what is stored without a spool, and can be made to wait. */
class WatchedStore extends MemoryBlobStore {
  readonly kept: number[] = [];
  before: () => Promise<void> = async () => {};

  override async keep(...asked: Parameters<MemoryBlobStore['keep']>) {
    this.kept.push(asked[1].length);
    await this.before();
    return await super.keep(...asked);
  }
}

/** A cache before an upstream that has the blob, whose size the repository's manifests say. */
function cacheFor(content: Uint8Array, claimed = content.length, blobs = new WatchedStore()) {
  const cache = new CacheUnderTest({ blobs, policy: { complete: true } });
  const { digest } = cache.content.putBlob(alpine, content);
  cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: claimed }]);
  return { cache, digest, blobs };
}

async function pull(
  cache: CacheUnderTest,
  digest: Digest,
  range?: { first: number; last?: number },
  name = alpine,
  signal?: AbortSignal,
): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(name, digest, { ...cache.reporting, range, signal });
  return await collect(reader.body);
}

describe('a small blob that is not cached', () => {
  for (const size of [0, 1, 1000, 64 * kibibyte - 1, 64 * kibibyte]) {
    it(`is asked for once, verified before it is answered, stored behind that and then in memory: ${size} bytes`, async () => {
      const content = Buffer.from(bytes(size));
      const { cache, digest, blobs } = cacheFor(content);
      await using _ = cache;
      const storing = gate();
      blobs.before = storing.wait;
      await using reader = await cache.registry.getBlob(alpine, digest, cache.reporting);
      assert.deepEqual([reader.isVerified, reader.size], [true, size]);
      assert.ok(reader.bytes !== undefined && content.equals(reader.bytes));
      assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
      await storing.reached;
      assert.equal(await blobs.stat(digest), undefined);
      storing.open();
      await cache.settle();
      assert.deepEqual(blobs.kept, [size]);
      assert.equal((await blobs.stat(digest))?.size, size);
      assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), true);
      await blobs.delete(digest);
      assert.ok((await pull(cache, digest)).equals(content));
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
    });
  }

  for (const [what, size, claimed] of [
    ['it is larger than 64 KiB', 64 * kibibyte + 1, 64 * kibibyte + 1],
    ['nobody says how large it is', 1000, 0],
  ] as const) {
    it(`is followed while it comes where ${what}`, async () => {
      const { cache, digest, blobs } = cacheFor(bytes(size), claimed);
      await using _ = cache;
      await using reader = await cache.registry.getBlob(alpine, digest);
      assert.ok(reader.bytes === undefined);
      await collect(reader.body);
      await cache.settle();
      assert.deepEqual(blobs.kept, []);
      assert.notEqual(await blobs.stat(digest), undefined);
    });
  }

  it('is given in part, and refused where no byte is in the part', async () => {
    const content = Buffer.from(bytes(5000));
    const { cache, digest } = cacheFor(content);
    await using _ = cache;
    const [part, none] = await Promise.allSettled([
      pull(cache, digest, { first: 10, last: 19 }),
      pull(cache, digest, { first: 5000 }),
    ]);
    assert.ok(part.status === 'fulfilled' && part.value.equals(content.subarray(10, 20)));
    assert.ok(none.status === 'rejected' && none.reason.code === 'RANGE_INVALID');
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('costs one GET for all who come before it is in the store, in the same moment and later', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest, blobs } = cacheFor(content);
    await using _ = cache;
    const coming = gate();
    const storing = gate();
    blobs.before = storing.wait;
    cache.upstream.script = coming.wait;
    const early = [pull(cache, digest), pull(cache, digest)];
    await coming.reached;
    early.push(pull(cache, digest));
    coming.open();
    for (const body of await Promise.all(early)) assert.ok(body.equals(content));
    await storing.reached;
    assert.ok((await pull(cache, digest)).equals(content));
    storing.open();
    await cache.settle();
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
  });

  it('is given to another repository when upstream has said that it owns it, and linked for both', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest } = cacheFor(content);
    await using _ = cache;
    const coming = gate();
    cache.upstream.script = async (call) => (call.startsWith('GET') ? await coming.wait() : undefined);
    const first = pull(cache, digest);
    await coming.reached;
    const stranger = pull(cache, digest, undefined, other);
    await assert.rejects(stranger, { code: 'NAME_UNKNOWN' });
    cache.content.putBlob(repository('docker.io/acme/third'), content);
    const owner = pull(cache, digest, undefined, repository('docker.io/acme/third'));
    await cache.settle();
    coming.open();
    assert.ok((await first).equals(content));
    assert.ok((await owner).equals(content));
    await cache.settle();
    for (const [name, isLinked] of [
      [alpine, true],
      [repository('docker.io/acme/third'), true],
      [other, false],
    ] as const)
      assert.equal(await cache.parts.metadata.hasBlob(name, digest), isLinked);
    assert.equal(cache.upstream.calls.filter((call) => call.startsWith('GET')).length, 1);
  });

  it('is asked for in the name of who waits where upstream refuses it in another', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest } = cacheFor(content);
    await using _ = cache;
    cache.content.putBlob(other, content);
    const coming = gate();
    cache.upstream.script = async (call) => {
      if (!call.startsWith(`GET ${alpine}`)) return;
      await coming.wait();
      throw new RegistryError('DENIED', 'not yours');
    };
    const first = assert.rejects(pull(cache, digest), { code: 'DENIED' });
    await coming.reached;
    const second = pull(cache, digest, undefined, other);
    await cache.settle();
    coming.open();
    await first;
    assert.ok((await second).equals(content));
    await cache.settle();
    assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), false);
  });

  it('reaches the store though its client has left', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest, blobs } = cacheFor(content);
    await using _ = cache;
    const coming = gate();
    cache.upstream.script = coming.wait;
    const client = new AbortController();
    const pulling = pull(cache, digest, undefined, alpine, client.signal);
    await coming.reached;
    client.abort(new Error('client is gone'));
    await assert.rejects(pulling, /client is gone/);
    assert.equal(cache.parts.fills.abandoned, 1);
    coming.open();
    await cache.settle();
    assert.equal(cache.parts.fills.abandoned, 0);
    assert.equal((await blobs.stat(digest))?.size, 3000);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('is described while it comes by who asks with HEAD', async () => {
    const { cache, digest } = cacheFor(bytes(3000));
    await using _ = cache;
    const [answering, coming] = [gate(), gate()];
    cache.upstream.script = answering.wait;
    cache.upstream.body = async function* (chunks) {
      await coming.wait();
      yield* chunks;
    };
    const pulling = pull(cache, digest);
    await answering.reached;
    const described = cache.registry.resolveBlob(alpine, digest);
    answering.open();
    await coming.reached;
    assert.deepEqual(await described, { digest, size: 3000, isVerified: false });
    coming.open();
    await pulling;
    assert.deepEqual(await cache.registry.resolveBlob(alpine, digest), {
      digest,
      size: 3000,
      isVerified: true,
    });
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('is not described by what its manifest says where upstream says something else', async () => {
    const { cache, digest } = cacheFor(bytes(3000), 2000);
    await using _ = cache;
    const coming = gate();
    cache.upstream.script = async (call) => (call.startsWith('GET') ? await coming.wait() : undefined);
    const pulling = pull(cache, digest);
    await coming.reached;
    const described = cache.registry.resolveBlob(alpine, digest);
    coming.open();
    await described;
    assert.equal((await pulling).length, 3000);
    assert.equal(cache.upstream.calls.filter((call) => call.startsWith('HEAD')).length, 1);
  });

  it('is 404 for all who wait, and asked for once in ten seconds', async () => {
    const { cache } = cacheFor(bytes(3000));
    await using _ = cache;
    const { digest } = new MemoryRegistry().putBlob(alpine, bytes(20, 9));
    cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: 20 }]);
    const pulls = [pull(cache, digest), pull(cache, digest)];
    for (const each of await Promise.allSettled(pulls))
      assert.ok(each.status === 'rejected' && each.reason.status === 404);
    await assert.rejects(pull(cache, digest), { status: 404 });
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('has its receive buffers given back, each piece once', async () => {
    const content = bytes(3000);
    const { cache, digest } = cacheFor(content);
    await using _ = cache;
    const pieces = [content.subarray(0, 1000), content.subarray(1000)];
    const back: Uint8Array[] = [];
    const getBlob = cache.upstream.getBlob.bind(cache.upstream);
    cache.upstream.getBlob = async (...asked) => ({
      ...(await getBlob(...asked)),
      body: (async function* () {
        yield* pieces;
      })(),
      giveBack: (chunk) => void back.push(chunk),
    });
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(back, pieces);
  });

  it('is fetched to complete an image', async () => {
    const { cache, digest, blobs } = cacheFor(bytes(3000));
    await using _ = cache;
    const { signal } = new AbortController();
    await cache.registry.complete({ kind: 'blob', repository: alpine, reference: digest }, signal);
    assert.equal((await blobs.stat(digest))?.size, 3000);
  });
});

describe('a small blob that does not come as its manifest says', () => {
  it('is never given, stored or remembered when its bytes are wrong', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest, blobs } = cacheFor(content);
    await using _ = cache;
    cache.upstream.body = async function* (chunks) {
      for await (const chunk of chunks)
        yield Uint8Array.from(chunk, (byte, at) => (at === 0 ? byte ^ 1 : byte));
    };
    const wrong = {
      code: 'UNAVAILABLE',
      status: 502,
      message: new RegExp(`^upstream sent wrong bytes: want ${digest}`),
    };
    await assert.rejects(pull(cache, digest), wrong);
    await cache.settle();
    assert.deepEqual(blobs.kept, []);
    assert.ok(cache.parts.small.get(digest) === undefined);
    assert.equal(cache.upstream.calls.length, 1);
    cache.upstream.body = (chunks) => chunks;
    assert.ok((await pull(cache, digest)).equals(content));
  });

  it('is asked for at the next place when one has given wrong bytes', async () => {
    const [right, wrong] = [new MemoryRegistry(), new MemoryRegistry()];
    const content = Buffer.from(bytes(3000));
    for (const each of [right, wrong]) each.putBlob(alpine, content);
    const [mirror, itself] = [new ScriptedRegistry(wrong), new ScriptedRegistry(right)];
    mirror.body = async function* () {
      yield bytes(3000, 2);
    };
    await using cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
    const { digest } = right.putBlob(alpine, content);
    cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: 3000 }]);
    await assert.rejects(pull(cache, digest), { status: 502 });
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual([mirror.calls.length, itself.calls.length], [1, 1]);
  });

  it('is asked for again where it was cut, by one of all who wait', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest, blobs } = cacheFor(content);
    await using _ = cache;
    let times = 0;
    cache.upstream.body = (chunks) => {
      times += 1;
      return times === 1 ? cut(chunks, 2000, new Error('reset')) : chunks;
    };
    const pulls = [pull(cache, digest), pull(cache, digest)];
    for (const body of await Promise.all(pulls)) assert.ok(body.equals(content));
    assert.equal(cache.upstream.calls.length, 2);
    await cache.settle();
    assert.equal((await blobs.stat(digest))?.size, 3000);
  });

  for (const [what, claimed, said] of [
    ['that it has more bytes', 2000, 3000],
    ['that it has fewer bytes', 4000, 3000],
    ['nothing, and sends more', 2999, undefined],
    ['nothing, and sends fewer', 3001, undefined],
  ] as const) {
    it(`is right, whatever its manifest says, when upstream says ${what}`, async () => {
      const content = Buffer.from(bytes(3000));
      const { cache, digest, blobs } = cacheFor(content, claimed);
      await using _ = cache;
      cache.upstream.size = () => said;
      if (claimed === 2999) {
        await assert.rejects(pull(cache, digest), /more than the blob's 2999 bytes/);
        return;
      }
      assert.ok((await pull(cache, digest)).equals(content));
      await cache.settle();
      assert.equal((await blobs.stat(digest))?.size, 3000);
    });
  }

  it('is asked for by another connection when it has not come whole after ten seconds', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest } = cacheFor(content);
    await using _ = cache;
    const begun = gate();
    const getBlob = cache.upstream.getBlob.bind(cache.upstream);
    cache.upstream.getBlob = async (name, asked, options = {}) => {
      options.signal?.addEventListener('abort', begun.open);
      return await getBlob(name, asked, options);
    };
    cache.upstream.body = (chunks) => {
      if (cache.upstream.calls.length > 1) return chunks;
      return (async function* () {
        yield content.subarray(0, 10);
        await begun.wait();
        throw new Error('aborted');
      })();
    };
    const pulling = pull(cache, digest);
    await begun.reached;
    await cache.clock.advance(9999);
    assert.equal(cache.upstream.calls.length, 1);
    await cache.clock.advance(1);
    assert.ok((await pulling).equals(content));
    assert.equal(cache.upstream.calls.length, 2);
  });
});

describe('a small blob of which nothing more comes', () => {
  async function* stuck(signal: AbortSignal): AsyncGenerator<Uint8Array> {
    yield bytes(10);
    await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }

  /** Of the first reader that it gives there are ten bytes. Settles when it has given it. */
  function stuckOnce(upstream: ScriptedRegistry, more: Partial<BlobReader> = {}) {
    const getBlob = upstream.getBlob.bind(upstream);
    const asked = gate();
    let times = 0;
    upstream.getBlob = async (name, digest, options = {}) => {
      const reader = await getBlob(name, digest, options);
      times += 1;
      if (times > 1 || options.signal === undefined) return reader;
      asked.open();
      return { ...reader, body: stuck(options.signal), ...more };
    };
    return asked.passed;
  }

  for (const [what, isThere, calls] of [
    ['at the next place after ten seconds', true, [1, 1]],
    ['at the same place in the end, where the next one has nothing', false, [2, 1]],
  ] as const)
    it(`is had ${what}`, async () => {
      const [there, elsewhere] = [new MemoryRegistry(), new MemoryRegistry()];
      const content = Buffer.from(bytes(3000));
      const { digest } = there.putBlob(alpine, content);
      if (isThere) elsewhere.putBlob(alpine, content);
      const [mirror, itself] = [new ScriptedRegistry(there), new ScriptedRegistry(elsewhere)];
      await using cache = new CacheUnderTest({ upstream: new FallbackRegistry([mirror], itself) });
      cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: 3000 }]);
      const asked = stuckOnce(mirror);
      const pulling = pull(cache, digest);
      await asked;
      await cache.settle();
      await cache.clock.advance(10_000);
      assert.ok((await pulling).equals(content));
      assert.deepEqual([mirror.calls.length, itself.calls.length], calls);
    });

  it('is waited for as long as it is we who hold it up', async () => {
    const { cache, digest } = cacheFor(bytes(3000));
    await using _ = cache;
    const begunAt = cache.clock.monotonic();
    const asked = stuckOnce(cache.upstream, {
      heldUpMs: () => Math.min(8000, cache.clock.monotonic() - begunAt),
    });
    const pulling = pull(cache, digest);
    await asked;
    await cache.settle();
    await cache.clock.advance(10_000);
    await cache.settle();
    assert.equal(cache.upstream.calls.length, 1);
    await cache.clock.advance(8000);
    assert.equal((await pulling).length, 3000);
    assert.equal(cache.upstream.calls.length, 2);
  });
});

describe('a small blob that the store does not take', () => {
  it('is given all the same where there is no room, and asked for again then', async () => {
    const content = Buffer.from(bytes(3000));
    const { cache, digest } = cacheFor(content, 3000, new WatchedStore({ capacity: 0 }));
    await using _ = cache;
    for (let times = 0; times < 2; times += 1) {
      assert.ok((await pull(cache, digest)).equals(content));
      await cache.settle();
    }
    assert.equal(cache.upstream.calls.length, 2);
    assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), false);
  });

  it('waits for its place among those that wait for the disk, five seconds at most', async () => {
    const { cache, digest, blobs } = cacheFor(bytes(3000));
    await using _ = cache;
    const places = new DisposableStack();
    for (let taken = 0; taken < 64; taken += 1) places.use(await cache.parts.backlog.admit(1));
    let isGiven = false;
    const pulling = pull(cache, digest).finally(() => (isGiven = true));
    await cache.settle();
    assert.equal(isGiven, false);
    await cache.clock.advance(5000);
    assert.equal((await pulling).length, 3000);
    await cache.settle();
    assert.deepEqual(blobs.kept, []);
    places.dispose();
    await pull(cache, digest);
    await cache.settle();
    assert.deepEqual(blobs.kept, [3000]);
  });
});
