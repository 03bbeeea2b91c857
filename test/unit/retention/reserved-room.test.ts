import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Limits } from '#src/retention/limits.ts';
import { ReservedRoom } from '#src/retention/reserved-room.ts';
import type { Inventory } from '#src/storage/inventory.ts';
import { announceContent, discardAnnounced, noteArrival } from '#src/storage/operation.ts';
import type { Reservation } from '#src/storage/store-room.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { app, host, kilobyte, limitedImages } from '#test/fakes/limited-images.ts';
import { Random } from '#test/simulation/random.ts';

const ghcr = host('ghcr.io');
const quay = host('quay.io');
const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Room beside whom nothing gives way. */
function roomOf(
  cache: CachedImages,
  limits: Partial<Limits>,
  more: { makeRoom?: () => Promise<void>; free?: () => number; totals?: Inventory['totals'] } = {},
) {
  const { makeRoom = async () => {}, free = () => 0 } = more;
  const { totals = async () => await cache.store.inventory.totals() } = more;
  return new ReservedRoom({
    limits: { maxSize: 0, minFree: 0, registries: new Map(), ...limits },
    inventory: { totals },
    graph: cache.store.graph,
    space: async () => ({ size: 1_000_000, free: free() }),
    clock: cache.clock,
    believes: () => true,
    isStuck: () => false,
    makeRoom,
  });
}

const granted = (all: readonly (Reservation | undefined)[]): number =>
  all.filter((each) => each !== undefined).length;

describe('room that is reserved', () => {
  it('is what is to come, and none for what is larger than all that may be kept', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000, registries: new Map([[quay, 100]]) });
    {
      using one = await room.reserve(ghcr, { bytes: 600 });
      using other = await room.reserve(ghcr, { bytes: undefined });
      assert.ok(one && other);
      assert.equal(room.bytes, 600);
      assert.equal(await room.reserve(ghcr, { bytes: 1001 }), undefined);
      assert.equal(await room.reserve(quay, { bytes: 101 }), undefined);
    }
    assert.equal(room.bytes, 0);
  });

  it('is never more than the limit has beside what is stored, however many ask at once', async () => {
    const { cache, room, used } = await limitedImages({ maxSize: 20_000 });
    await using _ = cache;
    for (const kind of ['fresh', 'fresher'])
      await cache.image(app, kind, [`${kind}${kilobyte.repeat(4)}`], [kind]);
    const all = await Promise.all(
      Array.from({ length: 100 }, async () => await room.reserve(ghcr, { bytes: 1000 })),
    );
    // What came a moment ago stays; all others gave way.
    assert.deepEqual(await cache.left(), ['fresh', 'fresher']);
    assert.equal(granted(all), Math.floor((20_000 - (await used())) / 1000));
  });

  it('is there for a large blob in a full cache whose images may give way', async () => {
    const { cache, room, used } = await limitedImages({ maxSize: 10_500 });
    await using _ = cache;
    using large = await room.reserve(ghcr, { bytes: 9000 });
    assert.ok(large);
    assert.ok((await used()) + 9000 <= 10_500);
  });

  it('is given one after the other: what waits is not overtaken by what is smaller', async () => {
    await using cache = new CachedImages();
    const made = Promise.withResolvers<void>();
    const room = roomOf(cache, { maxSize: 1000 }, { makeRoom: async () => await made.promise });
    const first = await room.reserve(ghcr, { bytes: 600 });
    const large = room.reserve(ghcr, { bytes: 900 });
    const small = room.reserve(quay, { bytes: 100 });
    await turns();
    assert.equal(room.bytes, 600);
    first?.[Symbol.dispose]();
    made.resolve();
    using one = await large;
    using other = await small;
    assert.ok(one && other);
  });

  it('is there for what waits behind something for which there is none', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000 });
    using _first = await room.reserve(ghcr, { bytes: 600 });
    const all = [
      room.reserve(ghcr, { bytes: 900 }),
      room.reserve(quay, { bytes: 300 }),
      room.reserve(ghcr, { bytes: 200 }),
    ];
    assert.deepEqual(
      (await Promise.all(all)).map((each) => each !== undefined),
      [false, true, false],
    );
  });

  it('is waited for while images give way, and given as soon as there is enough', async () => {
    await using cache = new CachedImages();
    await cache.image(app, 'image', [kilobyte], ['v1']);
    cache.passes(CachedImages.graceMs + 1);
    const over = Promise.withResolvers<void>();
    const room = roomOf(cache, { maxSize: 1100 }, { makeRoom: async () => await over.promise });
    const asked = room.reserve(ghcr, { bytes: 500 });
    await turns();
    assert.equal(room.bytes, 0);
    await cache.prune({});
    await room.look();
    room.serve();
    using given = await asked;
    assert.ok(given);
    over.resolve();
  });

  it('is not waited for longer than three seconds', async () => {
    await using cache = new CachedImages();
    const never = Promise.withResolvers<void>();
    const room = roomOf(cache, { maxSize: 1000 }, { makeRoom: async () => await never.promise });
    using _first = await room.reserve(ghcr, { bytes: 600 });
    const asked = room.reserve(ghcr, { bytes: 600 });
    await turns();
    assert.equal(room.wanted.of(undefined), 1200);
    await cache.clock.advance(3000);
    assert.equal(await asked, undefined);
    assert.equal(room.wanted.of(undefined), 600);
    never.resolve();
  });

  it('is none where it cannot be told what there is', async () => {
    await using cache = new CachedImages();
    const totals = async () => await Promise.reject(new Error('the index cannot be read'));
    const room = roomOf(cache, { maxSize: 1000 }, { totals });
    assert.equal(await room.reserve(ghcr, { bytes: 600 }), undefined);
    assert.equal(room.bytes, 0);
  });

  it('is a registry’s by what is on its way of that registry alone', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { registries: new Map([[quay, 1000]]) });
    using other = await room.reserve(ghcr, { bytes: 6000 });
    assert.ok(other);
    using one = await room.reserve(quay, { bytes: 600 });
    assert.ok(one);
    assert.equal(await room.reserve(quay, { bytes: 600 }), undefined);
  });

  it('is what the file system has beside what is to be left of it and what is still to come', async () => {
    await using cache = new CachedImages();
    let free = 2000;
    const room = roomOf(cache, { minFree: 1000 }, { free: () => free });
    let come = 0;
    using one = await room.reserve(ghcr, { bytes: 800, come: () => come });
    assert.ok(one);
    assert.equal(await room.reserve(ghcr, { bytes: 300 }), undefined);
    come = 800;
    free = 1200;
    using other = await room.reserve(ghcr, { bytes: 200 });
    assert.ok(other);
    // What goes on where it was needs room for the rest alone.
    free = 1400;
    using rest = await room.reserve(ghcr, { bytes: 900, come: () => 700 });
    assert.ok(rest);
  });

  it('is held for what is stored until the index counts it', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000 });
    const blob = { digest: cache.digest('x'.repeat(600)), size: 600 };
    const first = await room.reserve(ghcr, { bytes: 600 });
    first?.settle(blob);
    first?.[Symbol.dispose]();
    assert.equal(room.bytes, 0);
    assert.equal(await room.reserve(ghcr, { bytes: 600 }), undefined);
    await cache.image(app, 'image', ['x'.repeat(600)], ['v1']);
    using second = await room.reserve(ghcr, { bytes: 300 });
    assert.ok(second);
    assert.equal(await room.reserve(ghcr, { bytes: 300 }), undefined);
  });

  it('is held for what an import has brought until somebody owns it, however long that takes', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000 });
    const text = 'x'.repeat(600);
    const blob = { digest: cache.digest(text), size: 600 };
    await cache.store.change([announceContent([blob.digest], cache.clock.now() + 4 * 3_600_000)]);
    const first = await room.reserve(ghcr, { bytes: 600 });
    first?.settle(blob);
    first?.[Symbol.dispose]();
    await cache.store.change([noteArrival(blob.digest, 600, undefined)]);
    for (const ms of [0, 2 * 3_600_000]) {
      await cache.clock.advance(ms);
      assert.equal(await room.reserve(ghcr, { bytes: 600 }), undefined);
    }
    await cache.image(app, 'image', [text], ['v1']);
    await room.look();
    assert.equal(room.underWay.of(undefined), 0);
  });

  it('is given back where what an import has brought is gone, and nobody owned it', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000 });
    const blob = { digest: cache.digest('x'.repeat(600)), size: 600 };
    await cache.store.change([announceContent([blob.digest], cache.clock.now() + 3_600_000)]);
    (await room.reserve(ghcr, { bytes: 600 }))?.settle(blob);
    await cache.store.change([noteArrival(blob.digest, 600, undefined)]);
    await cache.clock.advance(3_600_001);
    await room.look();
    assert.equal(room.underWay.of(undefined), 600);
    await cache.store.change([discardAnnounced([blob.digest], cache.clock.now())]);
    await room.look();
    assert.equal(room.underWay.of(undefined), 0);
  });

  it('grows as far as there is more, and is given back as a whole', async () => {
    await using cache = new CachedImages();
    const room = roomOf(cache, { maxSize: 1000 });
    {
      using growing = await room.reserve(ghcr, { bytes: undefined });
      assert.equal(await growing?.grow(400), true);
      assert.equal(await growing?.grow(300), true);
      assert.equal(room.bytes, 400);
      using other = await room.reserve(ghcr, { bytes: 500 });
      assert.ok(other);
      assert.equal(await growing?.grow(600), false);
      assert.equal(room.bytes, 900);
      assert.equal(await growing?.grow(500), true);
    }
    assert.equal(room.bytes, 0);
  });

  it('is not made for a claim: that has what there is, or room when it is no claim any more', async () => {
    await using cache = new CachedImages();
    let made = 0;
    const makeRoom = async () => {
      made += 1;
    };
    const room = roomOf(cache, { maxSize: 1000 }, { makeRoom });
    using one = await room.reserve(ghcr, { bytes: 600, isClaim: true });
    using other = await room.reserve(ghcr, { bytes: 600, isClaim: true });
    assert.deepEqual([one?.bytes, other?.bytes, made], [600, 0, 0]);
    assert.equal(await other?.grow(600), false);
    assert.equal(made, 1);
    one?.shrink(400);
    assert.equal(await other?.grow(600), true);
    assert.equal(made, 1);
    assert.equal(await room.reserve(ghcr, { bytes: 1001, isClaim: true }), undefined);
  });

  it('is refused at once to who hopes for more than is left beside what others hope for, until they have given up', async () => {
    await using cache = new CachedImages();
    let made = 0;
    const makeRoom = async () => {
      made += 1;
    };
    const room = roomOf(cache, { maxSize: 1000, registries: new Map([[quay, 300]]) }, { makeRoom });
    using one = await room.reserve(ghcr, { bytes: undefined });
    using other = await room.reserve(ghcr, { bytes: undefined });
    using third = await room.reserve(quay, { bytes: undefined });
    assert.equal(await one?.grow(10, 700), true);
    assert.equal(await other?.grow(10, 400), false);
    assert.equal(await third?.grow(10, 301), false);
    assert.equal(await third?.grow(10, 300), true);
    // Whoever is vouched for has all that has not come.
    using sure = await room.reserve(ghcr, { bytes: 980 });
    assert.ok(sure);
    assert.equal(await one?.grow(100, 700), false);
    sure[Symbol.dispose]();
    assert.equal(await other?.grow(10, 400), true);
    assert.equal(made, 1);
  });

  it('counts what another process has stored meanwhile', async () => {
    await using cache = new CachedImages();
    const [ours, theirs] = [roomOf(cache, { maxSize: 2000 }), roomOf(cache, { maxSize: 2000 })];
    using one = await ours.reserve(ghcr, { bytes: 500 });
    assert.ok(one);
    await cache.image(app, 'image', [kilobyte], ['v1']);
    assert.equal(await theirs.reserve(ghcr, { bytes: 1000 }), undefined);
    using other = await theirs.reserve(ghcr, { bytes: 900 });
    assert.ok(other);
    // What the other has on its way is not known: so much more may it be.
    assert.equal(ours.bytes + theirs.bytes, 1400);
  });

  for (const seed of [1, 2, 3, 4, 5])
    it(`keeps within the limit whatever comes and goes at a time: seed ${seed}`, async () => {
      const random = new Random(seed);
      const most = 10_000;
      const { cache, room, evictor, run } = await limitedImages({ maxSize: most }, { count: 0 });
      await using _ = cache;
      let onTheirWay = 0;
      let stored = 0;
      const pause = async (): Promise<void> => {
        for (let turn = random.between(0, 4); turn > 0; turn -= 1) await new Promise(setImmediate);
      };
      const check = async (): Promise<void> => {
        const totals = cache.store.inventory.totals();
        const others = onTheirWay;
        const { blobBytes } = await totals;
        assert.ok(blobBytes + others <= most, `${blobBytes} are stored, ${others} are on their way`);
      };
      const client = async (at: number): Promise<void> => {
        const size = random.between(10, 4000);
        const text = `${at}`.padEnd(size, 'x');
        const isClaim = random.chance(0.5);
        await pause();
        using its = await room.reserve(ghcr, { bytes: isClaim ? random.between(0, 4000) : size, isClaim });
        await pause();
        if (its === undefined || !(await its.grow(size))) return;
        onTheirWay += size;
        await check();
        await pause();
        const isLost = random.chance(0.2);
        onTheirWay -= size;
        if (isLost) return;
        await cache.image(app, `image ${at}`, [text], [`t${at}`]);
        stored += 1;
        await check();
        await pause();
        its.settle({ digest: cache.digest(text), size });
      };
      for (let round = 0; round < 6; round += 1) {
        await Promise.all(Array.from({ length: 30 }, async (_, at) => await client(100 * round + at)));
        assert.equal(room.bytes, 0);
        cache.passes(CachedImages.graceMs + 1);
        await cache.clock.advance(3_600_000);
        await run();
      }
      assert.ok(stored > 10, `${stored}`);
      assert.ok(evictor.evicted.maxSize > 5, `${evictor.evicted.maxSize}`);
    });
});
