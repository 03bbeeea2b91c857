import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { PutOffError } from '#src/cache/fills/put-off.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { Reservation, RoomWish, StoreRoom } from '#src/storage/store-room.ts';
import { until } from '#test/e2e/support/until.ts';
import { CacheUnderTest, repository } from '#test/fakes/cache-under-test.ts';
import { bytes as bytesOf, collect } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const alpine = repository('docker.io/library/alpine');
const size = 1_000_000;

/** Room for blobs of at most so many bytes; how many are reserved. */
class ScriptedRoom implements StoreRoom {
  most = Number.POSITIVE_INFINITY;
  reserved = 0;
  /** For how many bytes room was asked, one after the other. */
  readonly asked: (number | undefined)[] = [];
  readonly settled: Digest[] = [];
  isBelieving = true;
  /** Is it only seen to be none when it is asked for? */
  isFull = false;

  believes(): boolean {
    return this.isBelieving;
  }

  admits(_host: string | undefined, bytes = 0): boolean {
    return bytes <= this.most;
  }

  async reserve(host: string | undefined, { bytes }: RoomWish): Promise<Reservation | undefined> {
    this.asked.push(bytes);
    if (this.isFull || !this.admits(host, bytes)) return undefined;
    let its = bytes ?? 0;
    this.reserved += its;
    return {
      get bytes() {
        return its;
      },
      shrink: (less) => {
        if (less >= its) return;
        this.asked.push(less);
        this.reserved -= its - less;
        its = less;
      },
      grow: async (more) => {
        this.asked.push(more);
        if (!this.admits(host, more)) return false;
        this.reserved += more - its;
        its = more;
        return true;
      },
      settle: ({ digest }) => void this.settled.push(digest),
      [Symbol.dispose]: () => {
        this.reserved -= its;
      },
    };
  }
}

async function* inPieces(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const all = await collect(chunks);
  for (let at = 0; at < all.length; at += 50_000) yield all.subarray(at, at + 50_000);
}

/** A cache before an upstream that has the blob, of which the repository's manifests say a size, mostly the right one. */
function cacheFor({ length = size, claimed = length }: { length?: number; claimed?: number | null } = {}) {
  const room = new ScriptedRoom();
  const log = new LogLines();
  const cache = new CacheUnderTest({ room, log, policy: { complete: true } });
  cache.upstream.body = inPieces;
  if (claimed === null) cache.upstream.size = () => undefined;
  const content = Buffer.from(bytesOf(length));
  const { digest } = cache.content.putBlob(alpine, content);
  if (claimed !== null) cache.parts.sizes.claim(alpine, [{ mediaType: 'x/y', digest, size: claimed }]);
  const pull = async (): Promise<Buffer> => {
    await using reader = await cache.registry.getBlob(alpine, digest);
    const body = await collect(reader.body);
    await cache.settle();
    return body;
  };
  return { cache, room, log, content, digest, pull };
}

describe('a blob for which the cache has no room', () => {
  for (const length of [size, 10_000])
    it(`passes through, and is stored when there is some: ${length} bytes`, async () => {
      const { cache, room, log, content, digest, pull } = cacheFor({ length });
      await using _ = cache;
      room.most = length - 1;
      assert.ok((await pull()).equals(content));
      assert.equal(await cache.blobs.stat(digest), undefined);
      assert.equal(log.at('warn').filter((line) => line.includes('may not hold so much')).length, 1);
      room.most = length;
      assert.ok((await pull()).equals(content));
      assert.equal((await cache.blobs.stat(digest))?.size, length);
      assert.deepEqual([room.reserved, room.settled], [0, [digest]]);
    });

  it('is not fetched for one who wants it stored', async () => {
    const { cache, room, digest } = cacheFor();
    await using _ = cache;
    room.most = size - 1;
    const refused = { status: 503, message: 'the cache may not hold so much' };
    await assert.rejects(cache.registry.bringBlob(alpine, digest), refused);
    assert.deepEqual(cache.upstream.calls, []);
    room.most = size;
    assert.deepEqual(await cache.registry.bringBlob(alpine, digest), { size, wasHere: false });
    room.most = 0;
    assert.deepEqual(await cache.registry.bringBlob(alpine, digest), { size, wasHere: true });
  });

  it('is not read to its end for one who wants it stored, where that is seen when it is begun', async () => {
    const { cache, room, digest } = cacheFor();
    await using _ = cache;
    room.isFull = true;
    let given = 0;
    cache.upstream.body = async function* (chunks) {
      for await (const piece of inPieces(chunks)) {
        given += piece.length;
        yield piece;
        // As a network has them: not all before anybody can look at the first.
        await setTimeout(20);
      }
    };
    const refused = { status: 503, message: 'the cache may not hold so much' };
    await assert.rejects(cache.registry.bringBlob(alpine, digest), refused);
    await until('it is given up', async () => cache.parts.fills.running === 0, 10_000);
    assert.ok(given < size, `${given}`);
  });

  it('is not asked for where nobody waits for it, and others of its registry are', async () => {
    const { cache, room, digest } = cacheFor();
    await using _ = cache;
    room.isFull = true;
    const job = { kind: 'blob', repository: alpine, reference: digest } as const;
    await assert.rejects(
      cache.registry.complete(job, new AbortController().signal),
      (error) => error instanceof PutOffError && !error.isOfAll,
    );
    assert.deepEqual(cache.upstream.calls, []);
  });
});

describe('a blob whose size nobody says', () => {
  it('has room for as much as comes, and is stored', async () => {
    const { cache, room, content, digest, pull } = cacheFor({ claimed: null });
    await using _ = cache;
    assert.ok((await pull()).equals(content));
    assert.equal((await cache.blobs.stat(digest))?.size, size);
    assert.deepEqual(room.asked, [undefined, 100_000, 300_000, 700_000, 1_500_000]);
    assert.equal(room.reserved, 0);
  });

  it('passes through from where there is no more room on', async () => {
    const { cache, room, content, digest, pull } = cacheFor({ claimed: null });
    await using _ = cache;
    room.most = size / 2;
    assert.ok((await pull()).equals(content));
    assert.equal(await cache.blobs.stat(digest), undefined);
    assert.deepEqual(room.asked, [undefined, 100_000, 300_000, 700_000]);
  });

  it('has as much room as upstream says, whatever less its manifest has claimed', async () => {
    const { cache, room, content, digest, pull } = cacheFor({ claimed: 100_000 });
    await using _ = cache;
    room.most = size - 1;
    assert.ok((await pull()).equals(content));
    assert.equal(await cache.blobs.stat(digest), undefined);
    assert.deepEqual(
      room.asked.filter((each) => each !== 100_000),
      [size],
    );
  });

  it('gives back what its manifest has claimed and upstream does not announce', async () => {
    const { cache, room, content, digest, pull } = cacheFor({ claimed: 10 * size });
    await using _ = cache;
    assert.ok((await pull()).equals(content));
    assert.equal((await cache.blobs.stat(digest))?.size, size);
    assert.deepEqual(room.asked, [10 * size, size]);
  });
});

describe('a blob of a registry that nobody has configured', () => {
  it('has room by what has come of it, whatever its manifest and upstream say', async () => {
    const { cache, room, content, digest, pull } = cacheFor();
    await using _ = cache;
    room.isBelieving = false;
    assert.ok((await pull()).equals(content));
    assert.equal((await cache.blobs.stat(digest))?.size, size);
    assert.deepEqual(room.asked, [undefined, 200_000, size]);
    assert.equal(room.reserved, 0);
  });

  it('that never comes has others give way for no more than four times of what has', async () => {
    const { cache, room, digest } = cacheFor();
    await using _ = cache;
    room.isBelieving = false;
    const stop = new AbortController();
    cache.upstream.body = async function* (chunks) {
      for await (const piece of inPieces(chunks)) {
        yield piece;
        await new Promise((resolve) => stop.signal.addEventListener('abort', resolve));
      }
    };
    const pulling = cache.registry.getBlob(alpine, digest, { signal: stop.signal });
    await using reader = await pulling;
    await reader.body[Symbol.asyncIterator]().next();
    await cache.settle();
    assert.deepEqual([room.asked, room.reserved], [[undefined, 200_000], 200_000]);
    stop.abort();
  });

  it('passes through from its first byte where it never fits', async () => {
    for (const claimed of [size, null]) {
      const { cache, room, content, digest, pull } = cacheFor({ claimed: claimed === null ? 1 : claimed });
      await using _ = cache;
      room.isBelieving = false;
      room.most = size - 1;
      assert.ok((await pull()).equals(content));
      assert.equal(await cache.blobs.stat(digest), undefined);
      assert.deepEqual(room.asked, claimed === null ? [undefined] : []);
    }
  });
});
