import assert from 'node:assert/strict';
import { truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { hexOf, sha256 } from '#src/oci/digest.ts';
import { RegistryError } from '#src/oci/error.ts';
import { type Digest, hostOf } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { gate } from '#test/fakes/scripted-registry.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const third = repository('docker.io/acme/third');

async function pull(cache: CacheUnderTest, digest: Digest, name = alpine, first?: number): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(name, digest, {
    ...cache.reporting,
    range: first === undefined ? undefined : { first },
  });
  return await collect(reader.body);
}

/** Before an upstream with a blob of so many bytes, by the word of a manifest of each repository. */
function cacheOf(size: number): CacheUnderTest {
  const cache = new CacheUnderTest();
  const claimed = [{ mediaType: 'x/y', digest: sha256(bytes(size)), size }];
  for (const name of [alpine, other, third]) cache.parts.sizes.claim(name, claimed);
  return cache;
}

function gets(cache: CacheUnderTest): readonly string[] {
  return cache.upstream.calls.filter((call) => call.startsWith('GET'));
}

/** Settles when no transfer of the blob runs. */
async function filled(cache: CacheUnderTest, digest: Digest): Promise<void> {
  await cache.parts.fills.get(hostOf(alpine), digest)?.done;
  await cache.settle();
}

describe('a blob that two repositories share', () => {
  for (const [what, first] of [
    ['whole', undefined],
    ['in part', 100_000],
  ] as const) {
    it(`is given ${what} to the second, though the transfer ended while upstream was asked about that one`, async () => {
      await using directory = await temporaryDirectory();
      await using blobs = await FileBlobStore.open({ directory: directory.path });
      await using cache = new CacheUnderTest({ blobs });
      const layer = Buffer.from(bytes(700_000));
      const { digest } = cache.content.putBlob(alpine, layer);
      cache.content.putBlob(other, layer);
      const [end, asked] = [gate(), gate()];
      cache.upstream.script = async (call) => (call.startsWith('HEAD') ? await asked.wait() : undefined);
      cache.upstream.body = async function* (chunks) {
        yield* chunks;
        await end.wait();
      };
      const pulling = pull(cache, digest);
      await end.reached;
      const second = pull(cache, digest, other, first);
      await asked.reached;
      end.open();
      assert.ok((await pulling).equals(layer));
      await filled(cache, digest);
      asked.open();
      assert.ok((await second).equals(layer.subarray(first)));
      assert.equal(gets(cache).length, 1);
      assert.equal(await cache.parts.metadata.hasBlob(other, digest), true);
      assert.ok((await pull(cache, digest, other)).equals(layer));
      assert.deepEqual(cache.outcome, { kind: 'hit' });
    });
  }

  for (const [what, size] of [
    ['', 200_000],
    [', small as it is', 2000],
  ] as const) {
    it(`is transferred once for clients of both that come at the same moment${what}`, async () => {
      await using cache = cacheOf(size);
      const layer = bytes(size);
      const { digest } = cache.content.putBlob(alpine, layer);
      cache.content.putBlob(other, layer);
      const names = [alpine, other, alpine, other];
      const bodies = await Promise.all(names.map(async (name) => await pull(cache, digest, name)));
      for (const body of bodies) assert.ok(body.equals(layer));
      assert.deepEqual(
        cache.upstream.calls.map((call) => call.split(' ')[0]),
        ['GET', 'HEAD'],
      );
      await cache.settle();
      for (const name of [alpine, other])
        assert.equal(await cache.parts.metadata.hasBlob(name, digest), true, name);
    });

    it(`is fetched in the second’s own name when upstream refuses it to the first${what}`, async () => {
      await using cache = cacheOf(size);
      const layer = bytes(size);
      const digest = sha256(layer);
      cache.content.putBlob(other, layer);
      const [asked, answered] = [gate(), gate()];
      cache.upstream.script = async (call) => {
        if (!call.startsWith(`GET ${alpine}`)) return;
        await asked.wait();
        await answered.wait();
        throw new RegistryError('DENIED');
      };
      const refused = assert.rejects(pull(cache, digest), { code: 'DENIED' });
      await asked.reached;
      const second = pull(cache, digest, other);
      await cache.settle();
      asked.open();
      await answered.reached;
      answered.open();
      await refused;
      assert.ok((await second).equals(layer));
      assert.deepEqual(
        cache.upstream.calls.map((call) => call.split(' ').slice(0, 2).join(' ')),
        [`GET ${alpine}`, `HEAD ${other}`, `GET ${other}`],
      );
      await cache.settle();
      assert.equal(await cache.parts.metadata.hasBlob(alpine, digest), false);
    });

    it(`is fetched for the second though clients of the first, to which it is refused, come again and again${what}`, async () => {
      await using cache = cacheOf(size);
      const layer = bytes(size);
      const digest = sha256(layer);
      cache.content.putBlob(other, layer);
      let isDone = false;
      cache.upstream.script = async (call) => {
        await cache.settle();
        if (call.startsWith(`GET ${alpine}`)) throw new RegistryError('DENIED');
      };
      const refused = Array.from({ length: 3 }, async () => {
        for (; !isDone; await setImmediate())
          await assert.rejects(pull(cache, digest), { code: /DENIED|BLOB_UNKNOWN|NAME_UNKNOWN/ });
      });
      await cache.settle();
      const bodies = await Promise.all([pull(cache, digest, other), pull(cache, digest, other)]);
      for (const body of bodies) assert.ok(body.equals(layer));
      isDone = true;
      await Promise.all(refused);
      assert.equal(gets(cache).filter((call) => call.includes(other)).length, 1);
    });

    it(`is transferred once for all to whom it is not refused, whoever comes when${what}`, async () => {
      await using cache = cacheOf(size);
      const layer = bytes(size);
      const { digest } = cache.content.putBlob(other, layer);
      cache.content.putBlob(third, layer);
      const [asked, answered, begun, goesOn] = [gate(), gate(), gate(), gate()];
      cache.upstream.script = async (call) => {
        if (!call.startsWith(`GET ${alpine}`)) return;
        await asked.wait();
        await answered.wait();
        throw new RegistryError('DENIED');
      };
      cache.upstream.body = async function* (chunks) {
        await begun.wait();
        await goesOn.wait();
        yield* chunks;
      };
      const refused = assert.rejects(pull(cache, digest), { code: 'DENIED' });
      await asked.reached;
      const pulls = [other, third, other].map(async (name) => await pull(cache, digest, name));
      await cache.settle();
      asked.open();
      answered.open();
      await refused;
      begun.open();
      await goesOn.reached;
      pulls.push(...[other, third].map(async (name) => await pull(cache, digest, name)));
      await cache.settle();
      goesOn.open();
      for (const body of await Promise.all(pulls)) assert.ok(body.equals(layer));
      assert.equal(gets(cache).length, 2);
    });
  }

  it('is not open to the second while upstream has not said that it is its own', async () => {
    await using cache = new CacheUnderTest();
    const { digest } = cache.content.putBlob(alpine, bytes(200_000));
    cache.content.putBlob(other, bytes(1));
    const end = gate();
    cache.upstream.body = async function* (chunks) {
      yield* chunks;
      await end.wait();
    };
    const pulling = pull(cache, digest);
    await end.reached;
    await assert.rejects(pull(cache, digest, other), { code: 'BLOB_UNKNOWN' });
    end.open();
    await pulling;
    await cache.settle();
    assert.equal(await cache.parts.metadata.hasBlob(other, digest), false);
  });
});

describe('a fill that is over', () => {
  it('cannot be joined, and a reader who came before reads it to its end', async () => {
    await using directory = await temporaryDirectory();
    await using blobs = await FileBlobStore.open({ directory: directory.path });
    await using cache = new CacheUnderTest({ blobs });
    const layer = bytes(700_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    await using reader = await cache.registry.getBlob(alpine, digest);
    const fill = cache.parts.fills.get(hostOf(alpine), digest) ?? assert.fail();
    await fill.done;
    const place = {
      repository: alpine,
      isOwner: true,
      trust: 'all',
      range: undefined,
      isClient: true,
    } as const;
    assert.equal(fill.join(place), undefined);
    assert.ok((await collect(reader.body)).equals(layer));
  });

  it('is waited for when the server stops, also where another has taken its place on a full disk', async () => {
    await using cache = new CacheUnderTest({ blobs: new MemoryBlobStore({ capacity: 0 }) });
    const layer = bytes(3_000_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    const [rest, closed] = [gate(), gate()];
    const ask = cache.upstream.getBlob.bind(cache.upstream);
    cache.upstream.getBlob = async (...asked) => {
      const reader = await ask(...asked);
      if (gets(cache).length > 1) return reader;
      const dispose = async (): Promise<void> => {
        await closed.wait();
        await reader[Symbol.asyncDispose]();
      };
      return { ...reader, [Symbol.asyncDispose]: dispose };
    };
    cache.upstream.size = () => undefined;
    cache.upstream.body = async function* () {
      yield layer.subarray(0, 1_000_000);
      await cache.settle();
      yield layer.subarray(1_000_000, 2_000_000);
      if (gets(cache).length === 1) await rest.wait();
      yield layer.subarray(2_000_000);
    };
    const first = assert.rejects(pull(cache, digest), /stopping/);
    await rest.reached;
    await cache.settle();
    assert.ok((await pull(cache, digest)).equals(layer));
    await cache.settle();
    assert.equal(gets(cache).length, 2);
    let stopped = false;
    const stopping = cache.parts.fills[Symbol.asyncDispose]().then(() => {
      stopped = true;
    });
    await cache.settle();
    assert.equal(stopped, false);
    closed.open();
    await Promise.all([stopping, first]);
    rest.open();
  });
});

/** A store of which one look at a time can be held up after it was taken. */
class SlowToAnswer extends MemoryBlobStore {
  held: ReturnType<typeof gate> | undefined;

  override async open(digest: Digest) {
    const held = this.held;
    this.held = undefined;
    const found = await super.open(digest);
    await held?.wait();
    return found;
  }
}

describe('a stored blob whose bytes are gone', () => {
  it('stays known when it was fetched again before a slow reader heard that it was gone', async () => {
    const blobs = new SlowToAnswer();
    const metadata = SqliteMetadataStore.inMemory();
    await using cache = new CacheUnderTest({ blobs, metadata });
    const layer = bytes(100_000);
    const { digest } = cache.content.putBlob(alpine, layer);
    await pull(cache, digest);
    await cache.settle();
    await blobs.delete(digest);
    const held = gate();
    blobs.held = held;
    const slow = pull(cache, digest);
    await held.reached;
    await pull(cache, digest);
    await cache.settle();
    held.open();
    assert.ok((await slow).equals(layer));
    await cache.settle();
    assert.equal(gets(cache).length, 2);
    assert.equal(await metadata.hasBlob(alpine, digest), true);
  });

  it('is fetched again when its file is shorter than what was verified, and the others have it again too', async () => {
    await using directory = await temporaryDirectory();
    await using blobs = await FileBlobStore.open({ directory: directory.path });
    const metadata = SqliteMetadataStore.inMemory();
    const layer = bytes(100_000);
    await using cache = new CacheUnderTest({ blobs, metadata });
    const { digest } = cache.content.putBlob(alpine, layer);
    await pull(cache, digest);
    await filled(cache, digest);
    await truncate(join(directory.path, 'blobs', 'sha256', hexOf(digest)), 99_999);
    const { registry } = cache;
    assert.equal((await registry.resolveBlob(alpine, digest)).size, layer.length);
    await using again = new CacheUnderTest({ blobs, metadata, upstream: cache.content });
    const bodies = await Promise.all([pull(again, digest), pull(again, digest)]);
    for (const body of bodies) assert.ok(body.equals(layer));
    await filled(again, digest);
    assert.equal((await blobs.stat(digest))?.size, layer.length);
    assert.ok((await pull(again, digest)).equals(layer));
    assert.deepEqual(gets(again).length, 1);
  });
});
