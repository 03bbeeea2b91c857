import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CachePolicy } from '#src/cache/cache-parts.ts';
import { type Digest, hostOf, type RegistryHost, type RepositoryName } from '#src/oci/reference.ts';
import { type StoreRoom, unlimitedRoom } from '#src/storage/store-room.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { on, stalledAfter } from '#test/fakes/upstream-faults.ts';
import { UpstreamUnderTest } from '#test/fakes/upstream-under-test.ts';

const alpine = repository('docker.io/library/alpine');

/** A cache whose upstream gives the first byte of each blob, and the rest when the gate is opened. */
function standing(policy: Partial<CachePolicy> = {}, room: StoreRoom = unlimitedRoom) {
  const cache = new CacheUnderTest({ policy, room });
  const rest = gate();
  cache.upstream.body = async function* (chunks) {
    let isFirst = true;
    for await (const chunk of chunks) {
      if (isFirst) yield chunk.subarray(0, 1);
      if (isFirst) await rest.wait();
      yield isFirst ? chunk.subarray(1) : chunk;
      isFirst = false;
    }
  };
  return { cache, rest };
}

/** A client that asks for a blob and is gone when its first byte is here. */
async function comeAndLeave(cache: CacheUnderTest, name: RepositoryName, digest: Digest): Promise<void> {
  const gone = new AbortController();
  await using _reader = await cache.registry.getBlob(name, digest, { signal: gone.signal });
  gone.abort(new Error('the client left'));
}

/** Small, and each another one. */
function blobOf(serial: number): Buffer {
  return Buffer.from(`this is blob ${serial}, which is small`);
}

describe('transfers that nobody waits for any more', () => {
  it('are bounded when a thousand clients of one registry leave', async () => {
    await using cache = standing().cache;
    const digests = Array.from({ length: 1000 }, (_, at) => cache.content.putBlob(alpine, blobOf(at)).digest);
    await Promise.all(digests.map(async (digest) => await comeAndLeave(cache, alpine, digest)));
    await cache.settle();
    const { fills } = cache.parts;
    assert.deepEqual([fills.running, fills.abandoned], [16, 16]);
  });

  it('are bounded in the process when clients of a hundred registries leave', async () => {
    await using cache = standing().cache;
    const asked = Array.from({ length: 1000 }, (_, at) => {
      const name = repository(`registry${at % 100}.example/a`);
      return { name, digest: cache.content.putBlob(name, blobOf(at)).digest };
    });
    await Promise.all(asked.map(async ({ name, digest }) => await comeAndLeave(cache, name, digest)));
    await cache.settle();
    assert.equal(cache.parts.fills.running, 64);
  });

  it('of one registry do not take the room of another’s', async () => {
    await using cache = standing({ maxAbandoned: 100 }).cache;
    const digests = Array.from({ length: 100 }, (_, at) => cache.content.putBlob(alpine, blobOf(at)).digest);
    await Promise.all(digests.map(async (digest) => await comeAndLeave(cache, alpine, digest)));
    const other = repository('quay.io/acme/other');
    const { digest } = cache.content.putBlob(other, blobOf(1000));
    await comeAndLeave(cache, other, digest);
    await cache.settle();
    assert.equal(cache.parts.fills.running, 64);
    assert.equal(cache.parts.fills.get(hostOf(other), digest)?.isAbandoned, true);
  });

  it('of registries that nobody has configured do not take the room of others’ by what they announce', async () => {
    const believes = (host: RegistryHost): boolean => host === hostOf(alpine);
    const { cache } = standing({}, { ...unlimitedRoom, believes });
    await using _ = cache;
    const sizes = new Map([
      [100, 2 ** 30],
      [101, 30.75 * 2 ** 30],
    ]);
    cache.upstream.size = (size = 0) => sizes.get(size);
    const names = ['docker.io/a/one', 'quay.io/a/one'].map(repository);
    const others = names.flatMap((name) => [1, 2].map((seed) => ({ name, length: 100, seed })));
    const evil = [3, 4].map((seed) => ({ name: repository(`evil${seed}.example/a`), length: 101, seed }));
    for (const { name, length, seed } of [...evil, ...others]) {
      const { digest } = cache.content.putBlob(name, bytes(length, seed));
      await comeAndLeave(cache, name, digest);
    }
    await cache.settle();
    assert.equal(cache.parts.fills.running, 6);
  });

  it('leave those alone that somebody reads', async () => {
    const { cache, rest } = standing();
    await using _ = cache;
    const digests = Array.from({ length: 100 }, (_, at) => cache.content.putBlob(alpine, blobOf(at)).digest);
    const readers = await Promise.all(
      digests.map(async (digest) => await cache.registry.getBlob(alpine, digest)),
    );
    const second = cache.content.putBlob(alpine, blobOf(1000)).digest;
    await comeAndLeave(cache, alpine, second);
    rest.open();
    for (const [at, reader] of readers.entries()) assert.ok((await collect(reader.body)).equals(blobOf(at)));
    await cache.settle();
    assert.equal(await cache.parts.metadata.hasBlob(alpine, second), true);
  });

  it('go on where there is room, and those that are furthest have it first', async () => {
    await using cache = new CacheUnderTest({ policy: { maxAbandoned: 1 } });
    const ends = new Map<string, ReturnType<typeof gate>>();
    const parts = new Map<string, number>();
    cache.upstream.body = async function* (chunks, call) {
      const digest = call.split(' ').at(-1) ?? '';
      const content = await collect(chunks);
      const part = parts.get(digest) ?? 0;
      yield content.subarray(0, part);
      await ends.get(digest)?.wait();
      yield content.subarray(part);
    };
    const put = (serial: number, part: number): Digest => {
      const { digest } = cache.content.putBlob(alpine, bytes(200_000, serial));
      parts.set(digest, part);
      ends.set(digest, gate());
      return digest;
    };
    const [far, near] = [put(1, 150_000), put(2, 10_000)];
    const leaves = [far, near].map(() => new AbortController());
    const readers = await Promise.all(
      [far, near].map(
        async (digest, at) => await cache.registry.getBlob(alpine, digest, { signal: leaves[at]?.signal }),
      ),
    );
    await Promise.all([far, near].map(async (digest) => await ends.get(digest)?.reached));
    await cache.settle();
    for (const client of leaves.toReversed()) client.abort(new Error('left'));
    for (const reader of readers) await reader[Symbol.asyncDispose]();
    await cache.settle();
    for (const digest of [far, near]) ends.get(digest)?.open();
    await cache.settle();
    assert.equal(await cache.parts.metadata.hasBlob(alpine, far), true);
    assert.equal(await cache.parts.metadata.hasBlob(alpine, near), false);
    // Who comes again gets it by a transfer of its own.
    await using again = await cache.registry.getBlob(alpine, near);
    assert.ok((await collect(again.body)).equals(Buffer.from(bytes(200_000, 2))));
    assert.equal(cache.upstream.calls.length, 3);
  });

  it('are ended after an hour', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    cache.upstream.size = () => 10 ** 8;
    cache.upstream.body = async function* () {
      for (;;) {
        await cache.clock.sleep(5000);
        yield new Uint8Array(100_000);
      }
    };
    await comeAndLeave(cache, alpine, digest);
    for (let at = 5000; at < 3_600_000; at += 5000) await cache.clock.advance(5000);
    assert.equal(cache.parts.fills.running, 1);
    await cache.clock.advance(5000);
    await cache.settle();
    assert.equal(cache.parts.fills.running, 0);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('have longer where much is to come, for what is ended begins again at its first byte', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    cache.upstream.size = () => 2 * 2 ** 30;
    cache.upstream.body = async function* () {
      for (;;) {
        await cache.clock.sleep(5000);
        yield new Uint8Array(100_000);
      }
    };
    await comeAndLeave(cache, alpine, digest);
    for (let at = 5000; at < 8_190_000; at += 5000) await cache.clock.advance(5000);
    assert.equal(cache.parts.fills.running, 1);
    for (let at = 0; at < 10_000; at += 5000) await cache.clock.advance(5000);
    await cache.settle();
    assert.equal(cache.parts.fills.running, 0);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('are tried on another connection where hardly a byte comes, and ended where that is no better', async () => {
    const { cache } = standing();
    await using _ = cache;
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    await comeAndLeave(cache, alpine, digest);
    await cache.settle();
    await cache.clock.advance(10_000);
    await cache.clock.advance(10_000);
    assert.equal(cache.parts.fills.running, 1);
    await cache.clock.advance(10_000);
    await cache.settle();
    assert.equal(cache.parts.fills.running, 0);
    const blob = `GET ${alpine} blob ${digest}`;
    assert.deepEqual(cache.upstream.calls, [blob, `${blob} {"first":1}`]);
  });

  it('are ended at once where more is to come than anybody has room for', async () => {
    const { cache } = standing();
    await using _ = cache;
    const { digest } = cache.content.putBlob(alpine, bytes(100_000));
    cache.upstream.size = () => 100 * 2 ** 30;
    await comeAndLeave(cache, alpine, digest);
    await cache.settle();
    assert.equal(cache.parts.fills.running, 0);
  });
});

describe('the places of a registry', () => {
  /** The real client with two places, in front of an upstream whose large blobs stand still. */
  async function busy() {
    const stack = new AsyncDisposableStack();
    const made = stack.use(await UpstreamUnderTest.start({ maxConcurrent: 2 }));
    const cache = stack.use(new CacheUnderTest({ upstream: made.registry, policy: { maxAbandoned: 2 } }));
    const still = gate();
    stack.defer(still.open);
    const large = [1, 2].map((seed) => made.upstream.content.putBlob(made.name, bytes(300_000, seed)).digest);
    const small = made.upstream.content.putBlob(made.name, blobOf(1)).digest;
    made.spoil(on(new RegExp(large.join('|')), stalledAfter(100_000, still.wait)));
    return { made, cache, large, small, [Symbol.asyncDispose]: async () => await stack.disposeAsync() };
  }

  it('are for a client that waits, before a transfer that nobody waits for', async () => {
    await using test = await busy();
    for (const digest of test.large) await comeAndLeave(test.cache, test.made.name, digest);
    assert.equal(test.cache.parts.fills.running, 2);
    await using reader = await test.cache.registry.getBlob(test.made.name, test.small);
    assert.ok((await collect(reader.body)).equals(blobOf(1)));
    await test.cache.settle();
    assert.equal(test.cache.parts.fills.running, 1);
  });

  it('become free for a client that waits when another leaves', async () => {
    await using test = await busy();
    const readers = await Promise.all(
      test.large.map(async (digest) => await test.cache.registry.getBlob(test.made.name, digest)),
    );
    const waiting = test.cache.registry.getBlob(test.made.name, test.small);
    await test.cache.settle();
    assert.equal(test.made.upstream.calls.length, 2);
    await readers[1]?.[Symbol.asyncDispose]();
    await using reader = await waiting;
    assert.ok((await collect(reader.body)).equals(blobOf(1)));
    await test.cache.settle();
    assert.equal(test.cache.parts.fills.running, 1);
    await readers[0]?.[Symbol.asyncDispose]();
  });
});
