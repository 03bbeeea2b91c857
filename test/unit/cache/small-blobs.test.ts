import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { MemoryBlobStore } from '#src/storage/memory/memory-blob-store.ts';
import { type Changes, disownBlob, loseBlob } from '#src/storage/operation.ts';
import { type StoreRoom, unlimitedRoom } from '#src/storage/store-room.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { ask, serveRegistry } from '#test/fakes/registry-server.ts';
import { scriptedIndex } from '#test/fakes/scripted-index.ts';

const alpine = repository('docker.io/library/alpine');
const other = repository('docker.io/acme/other');
const kibibyte = 1024;

/** Counts how often files are looked at, and can have others' bytes in one. */
class CountingStore extends MemoryBlobStore {
  looks = 0;
  /** What lies in the place of each blob. */
  spoilt: Uint8Array | undefined;

  override async open(digest: Digest) {
    this.looks += 1;
    const blob = await super.open(digest);
    const { spoilt } = this;
    if (blob === undefined || spoilt === undefined) return blob;
    return {
      ...blob,
      async *read() {
        yield spoilt;
      },
    };
  }

  override async stat(digest: Digest) {
    this.looks += 1;
    return await super.stat(digest);
  }

  override async put(...asked: Parameters<MemoryBlobStore['put']>) {
    this.spoilt = undefined;
    return await super.put(...asked);
  }
}

async function pull(cache: CacheUnderTest, digest: Digest, name = alpine): Promise<Buffer> {
  await using reader = await cache.registry.getBlob(name, digest, cache.reporting);
  return await collect(reader.body);
}

/** A cache that has the blob for this repository in its store, as an earlier process has left it; and how it hears of other processes. */
async function holding(content: Uint8Array, room?: StoreRoom) {
  const blobs = new CountingStore();
  const tell: ((changes: Changes) => void)[] = [];
  const metadata = scriptedIndex(() => ({
    watch: (listener) => {
      tell.push(listener);
      return { [Symbol.dispose]() {} };
    },
  }));
  const digest = sha256(content);
  await using earlier = new CacheUnderTest({ blobs, metadata });
  earlier.content.putBlob(alpine, content);
  await pull(earlier, digest);
  await earlier.settle();
  const cache = new CacheUnderTest({ blobs, metadata, upstream: earlier.content, ...(room && { room }) });
  blobs.looks = 0;
  return {
    ...{ blobs, metadata, cache, digest },
    tell: (changes: Changes) => tell.at(-1)?.(changes),
    content: earlier.content,
  };
}

describe('a small blob that was read once', () => {
  for (const size of [0, 1, 1000, 64 * kibibyte - 1, 64 * kibibyte]) {
    it(`is given from memory, whole, in part and described, without a look at its file: ${size} bytes`, async () => {
      const content = Buffer.from(bytes(size));
      const { blobs, cache, digest } = await holding(content);
      await using _ = cache;
      assert.ok((await pull(cache, digest)).equals(content));
      const { looks } = blobs;
      assert.ok((await pull(cache, digest)).equals(content));
      assert.deepEqual(cache.outcome, { kind: 'hit' });
      assert.deepEqual(await cache.registry.resolveBlob(alpine, digest, cache.reporting), {
        ...{ digest, size, isVerified: true },
      });
      if (size > 1) {
        await using part = await cache.registry.getBlob(alpine, digest, { range: { suffix: size - 1 } });
        assert.deepEqual(part.range, { first: 1, last: size - 1 });
        assert.ok((await collect(part.body)).equals(content.subarray(1)));
      }
      await assert.rejects(cache.registry.getBlob(alpine, digest, { range: { first: size } }), {
        code: 'RANGE_INVALID',
      });
      assert.equal(blobs.looks, looks);
      assert.deepEqual(cache.upstream.calls, []);
    });
  }

  it('is read of its file each time where it is larger than that', async () => {
    const { blobs, cache, digest } = await holding(bytes(64 * kibibyte + 1));
    await using _ = cache;
    await pull(cache, digest);
    const { looks } = blobs;
    await pull(cache, digest);
    assert.ok(blobs.looks > looks);
  });

  it('is read and kept whole where a part is asked for', async () => {
    const content = Buffer.from(bytes(5000));
    const { blobs, cache, digest } = await holding(content);
    await using _ = cache;
    await using part = await cache.registry.getBlob(alpine, digest, { range: { first: 10, last: 19 } });
    assert.ok((await collect(part.body)).equals(content.subarray(10, 20)));
    const { looks } = blobs;
    assert.ok((await pull(cache, digest)).equals(content));
    assert.equal(blobs.looks, looks);
  });

  it('is nothing that another repository may have before upstream has said that it owns it', async () => {
    const { cache, content, digest } = await holding(bytes(1000));
    await using _ = cache;
    await pull(cache, digest);
    await assert.rejects(pull(cache, digest, other), { code: 'NAME_UNKNOWN' });
    await assert.rejects(cache.registry.resolveBlob(other, digest), { code: 'NAME_UNKNOWN' });
    await cache.clock.advance(60_000);
    content.putBlob(other, bytes(1000));
    assert.ok((await pull(cache, digest, other)).equals(bytes(1000)));
    assert.deepEqual(cache.outcome, { kind: 'revalidated' });
    assert.deepEqual(
      cache.upstream.calls.filter((call) => call.startsWith('GET') && call.includes(alpine)),
      [],
    );
  });

  it('needs its file no more', async () => {
    const content = Buffer.from(bytes(1000));
    const { blobs, cache, digest } = await holding(content);
    await using _ = cache;
    await pull(cache, digest);
    await blobs.delete(digest);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(cache.upstream.calls, []);
  });

  it('is looked for again when another process has changed more than is remembered, and upstream is asked', async () => {
    const content = Buffer.from(bytes(1000));
    const { blobs, cache, metadata, tell, digest } = await holding(content);
    await using _ = cache;
    await pull(cache, digest);
    await blobs.delete(digest);
    await metadata.change([loseBlob(digest)]);
    tell('all');
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(cache.outcome, { kind: 'miss', collapsed: false });
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
    await cache.settle();
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });

  it('is written again when another process has lost it, for memory may have the last of it', async () => {
    const content = Buffer.from(bytes(1000));
    const { blobs, cache, metadata, tell, digest } = await holding(content);
    await using _ = cache;
    await pull(cache, digest);
    for (let times = 0; times < 2; times += 1) {
      await blobs.delete(digest);
      await metadata.change([loseBlob(digest)]);
      tell([{ kind: 'blob', digest }]);
      await cache.settle();
      assert.equal((await blobs.stat(digest))?.size, 1000);
      assert.deepEqual(await metadata.getChecked(digest), { size: 1000, stamp: undefined, isHere: true });
      assert.ok((await pull(cache, digest)).equals(content));
      assert.deepEqual(cache.outcome, { kind: 'hit' });
    }
    assert.deepEqual(cache.upstream.calls, []);
  });

  it('is written again where it may come, as whatever comes, and not where there is no room', async () => {
    const asked: (number | undefined)[] = [];
    let isFull = true;
    const room: StoreRoom = {
      ...unlimitedRoom,
      async reserve(host, wish) {
        asked.push(wish.bytes);
        return isFull ? undefined : await unlimitedRoom.reserve(host, wish);
      },
    };
    const { blobs, cache, metadata, tell, digest } = await holding(bytes(1000), room);
    await using _ = cache;
    await pull(cache, digest);
    await blobs.delete(digest);
    await metadata.change([loseBlob(digest)]);
    for (const size of [undefined, 1000]) {
      tell([{ kind: 'blob', digest }]);
      await cache.settle();
      assert.equal((await blobs.stat(digest))?.size, size);
      isFull = false;
    }
    assert.deepEqual(asked, [1000, 1000]);
    assert.deepEqual(cache.upstream.calls, []);
  });

  it('is written by nobody where another process has removed it, and memory has it no more', async () => {
    const { blobs, cache, metadata, tell, digest } = await holding(bytes(1000));
    await using _ = cache;
    await pull(cache, digest);
    await blobs.delete(digest);
    await metadata.change([disownBlob(alpine, digest)]);
    tell([{ kind: 'blob', digest }]);
    await cache.settle();
    assert.equal(await blobs.stat(digest), undefined);
    assert.equal(cache.parts.small.peek(digest), undefined);
  });
});

describe('a small blob whose file has other bytes of the same number', () => {
  it('is never sent: it is fetched again, and its file is made anew', async () => {
    const content = Buffer.from(bytes(1000));
    const { blobs, cache, digest } = await holding(content);
    await using _ = cache;
    blobs.spoilt = bytes(1000, 2);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(cache.upstream.calls, [`GET ${alpine} blob ${digest}`]);
    await cache.settle();
    assert.equal(blobs.spoilt, undefined);
    assert.ok((await pull(cache, digest)).equals(content));
    assert.deepEqual(cache.outcome, { kind: 'hit' });
  });
});

describe('a client of a small blob in memory', () => {
  for (const size of [1000, 64 * kibibyte]) {
    it(`has the headers, ranges and 304 that he has of its file: ${size} bytes`, async () => {
      const content = Buffer.from(bytes(size));
      const { blobs, cache, digest } = await holding(content);
      await using _ = cache;
      await using server = await serveRegistry(cache.registry);
      const path = `/v2/docker.io/library/alpine/blobs/${digest}`;
      const wanted = [
        { headers: {} },
        { method: 'HEAD', headers: {} },
        { headers: { range: 'bytes=1-9' } },
        { headers: { range: 'bytes=0-0, 5-9, 90-' } },
        { headers: { range: `bytes=${size}-` } },
        { headers: { 'if-none-match': `"${digest}"` } },
        { headers: { range: 'bytes=1-9', 'if-range': '"another"' } },
      ];
      for (const options of wanted) {
        cache.parts.small.forgetAll();
        blobs.looks = 0;
        const ofFile = await ask(server, path, options);
        assert.ok(blobs.looks > 0);
        await pull(cache, digest);
        blobs.looks = 0;
        const ofMemory = await ask(server, path, options);
        assert.equal(blobs.looks, 0);
        const boundary = /boundary=(\w+)/.exec(ofFile.headers['content-type'] ?? '')?.[1] ?? '';
        const its = /boundary=(\w+)/.exec(ofMemory.headers['content-type'] ?? '')?.[1] ?? '';
        const same = ({ status, headers, body }: Awaited<ReturnType<typeof ask>>) => ({
          ...{ status, body: body.toString('latin1').replaceAll(its || boundary, boundary) },
          headers: { ...headers, date: '', 'x-request-id': '', 'content-type': '' },
        });
        assert.deepEqual(same(ofMemory), same(ofFile), JSON.stringify(options));
      }
    });
  }
});
