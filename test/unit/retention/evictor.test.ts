import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostedHost, parseTag, repositoryName } from '#src/oci/reference.ts';
import { announceContent, leaseContent, pinTag, tagIsGone } from '#src/storage/operation.ts';
import type { Reservation } from '#src/storage/store-room.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { app, host, kilobyte, limitedImages, tool } from '#test/fakes/limited-images.ts';

const day = 86_400_000;

describe('eviction', () => {
  it('evicts nothing that lives here: what is cached gives way to it, and then nothing more may come', async () => {
    const { cache, evictor, room, used, run } = await limitedImages({ maxSize: 12_000 });
    const own = repositoryName(hostedHost, 'org/app');
    for (let at = 0; at < 10; at += 1)
      await cache.image(own, `hosted ${at}`, [`${kilobyte}h${at}`], [`v${at}`]);
    cache.passes(day);
    const names = async () => (await cache.left()).filter((text) => text.startsWith('hosted')).length;
    await run();
    assert.ok((await used()) <= 12_000);
    assert.equal(await names(), 10);
    assert.equal(evictor.isStuck, false);
    for (let at = 10; at < 14; at += 1)
      await cache.image(own, `hosted ${at}`, [`${kilobyte}h${at}`], [`v${at}`]);
    cache.passes(day);
    await run();
    assert.equal(await names(), 14);
    assert.equal(evictor.isStuck, true);
    assert.equal(await room.reserve(hostedHost, { bytes: 1 }), undefined);
  });

  it('begins over the limit, takes what was used longest ago, and ends a twentieth below', async () => {
    const { cache, evictor, run, used, lefts } = await limitedImages({ maxSize: 8000 });
    await using _ = cache;
    await cache.used(app, 'image 0');
    await run();
    assert.ok((await used()) <= 7600, `${await used()}`);
    assert.deepEqual(await cache.left(), [
      'image 0',
      'image 4',
      'image 5',
      'image 6',
      'image 7',
      'image 8',
      'image 9',
    ]);
    assert.deepEqual(evictor.evicted, { maxSize: 3, registry: 0, minFree: 0 });
    assert.equal(evictor.isStuck, false);
    await run();
    assert.deepEqual([evictor.evicted.maxSize, lefts()], [3, 1]);
  });

  it('evicts nothing while the index is made anew, and is not stuck for it', async () => {
    let isRestored = false;
    const isBeingRestored = async (): Promise<boolean> => !isRestored;
    const { cache, evictor, run } = await limitedImages({ maxSize: 8000 }, { isBeingRestored });
    await using _ = cache;
    await run();
    assert.deepEqual([(await cache.left()).length, evictor.isStuck], [10, false]);
    isRestored = true;
    await run();
    assert.equal((await cache.left()).length, 7);
  });

  it('lets nothing more come as soon as nothing may go, while the files of what went still wait', async () => {
    const stuck: string[][] = [];
    const { cache, run } = await limitedImages(
      { minFree: 100_000, registries: new Map([[host('quay.io'), 1500]]) },
      {
        ...{ pinned: ['quay.io/**'], free: 99_000 },
        emptying: ({ stuckRegistries }) => void stuck.push([...stuckRegistries]),
      },
    );
    await using _ = cache;
    await run();
    // Once before it is looked what may go, and once behind it.
    assert.deepEqual(stuck, [[], ['quay.io']]);
  });

  it('passes over an image whose layers somebody brings or names for now: it would go in vain', async () => {
    const { cache, evictor, run, used } = await limitedImages({ maxSize: 8000 });
    await using _ = cache;
    const layer = (at: number) => cache.digest(`${kilobyte}${at}`);
    const until = cache.clock.now() + 3_600_000;
    await cache.store.change([announceContent([layer(0)], until), leaseContent([layer(1)], 'import', until)]);
    await run();
    assert.ok((await used()) <= 7600, `${await used()}`);
    assert.deepEqual(
      await cache.left(),
      [0, 1, 5, 6, 7, 8, 9].map((at) => `image ${at}`),
    );
    assert.equal(evictor.evicted.maxSize, 3);
  });

  it('keeps each registry within its own, by what its images refer to', async () => {
    const { cache, run } = await limitedImages({ registries: new Map([[host('quay.io'), 3000]]) });
    await using _ = cache;
    await run();
    assert.deepEqual(
      (await cache.left()).filter((text) => Number(text.at(-1)) % 2 === 1),
      ['image 7', 'image 9'],
    );
    assert.equal((await cache.left()).length, 7);
  });

  for (const minFree of [100_000, { percent: 1 }])
    it(`leaves so much of the file system: ${JSON.stringify(minFree)}`, async () => {
      const { cache, evictor, run } = await limitedImages({ minFree }, { free: 98_000 });
      await using _ = cache;
      await run();
      assert.deepEqual(await cache.left(), ['image 8', 'image 9']);
      assert.deepEqual([evictor.evicted.minFree, evictor.isStuck], [8, false]);
    });

  it('takes what was used on two days after what was used once, and before it when that is long ago', async () => {
    const { cache, run } = await limitedImages({ maxSize: 1100 }, { count: 3 });
    await using _ = cache;
    cache.passes(2 * day);
    await cache.used(app, 'image 0');
    cache.passes(day);
    await cache.image(tool, 'later', [`${kilobyte}later`], ['later']);
    cache.passes(3_600_000);
    await run();
    assert.deepEqual(await cache.left(), ['image 0']);
    cache.passes(40 * day);
    await cache.image(tool, 'latest', [`${kilobyte}latest`], ['latest']);
    cache.passes(3_600_000);
    await run();
    assert.deepEqual(await cache.left(), ['latest']);
  });

  it('stops storing of a registry over its own limit, and of no other', async () => {
    const { cache, evictor, room, run } = await limitedImages(
      { registries: new Map([[host('quay.io'), 1500]]) },
      { pinned: ['quay.io/**'], count: 4 },
    );
    await using _ = cache;
    await run();
    assert.deepEqual([evictor.isStuck, evictor.stuckRegistries], [false, ['quay.io']]);
    assert.equal(await room.reserve(host('quay.io'), { bytes: 1 }), undefined);
    assert.ok(await room.reserve(host('ghcr.io'), { bytes: 1 }));
  });

  it('evicts for another limit while it rests from one that nothing can be done about', async () => {
    const { cache, evictor, run, used } = await limitedImages(
      { maxSize: 8000, registries: new Map([[host('quay.io'), 1500]]) },
      { pinned: ['quay.io/**'], count: 4 },
    );
    await using _ = cache;
    const { graph } = cache.parts;
    const node = graph.node.bind(graph);
    // It takes a while to see that.
    graph.node = async (...asked) => {
      await cache.clock.advance(500);
      return await node(...asked);
    };
    await run();
    assert.deepEqual(evictor.stuckRegistries, ['quay.io']);
    for (let at = 4; at < 9; at += 1) await cache.image(app, `image ${at}`, [`${kilobyte}${at}`], [`v${at}`]);
    cache.clock.set(cache.clock.now() + 3_600_000);
    await run();
    assert.ok((await used()) <= 8000, `${await used()}`);
  });

  it('leaves room on the disk for what is still to come of a blob, and not for what has come of it', async () => {
    const { cache, room, run } = await limitedImages({ minFree: 100_000 }, { free: 103_000 });
    await using _ = cache;
    let come = 6000;
    using _blob = await room.reserve(host('ghcr.io'), { bytes: 8000, come: () => come });
    await run();
    assert.equal((await cache.left()).length, 10);
    come = 4000;
    await run();
    assert.deepEqual(await cache.left(), ['image 7', 'image 8', 'image 9']);
  });

  it('takes once what two limits ask for', async () => {
    const { cache, evictor, run } = await limitedImages(
      { maxSize: 8000, minFree: 100_000 },
      { free: 98_000 },
    );
    await using _ = cache;
    await run();
    // For the first of them three, and what is lacking of the other.
    assert.deepEqual(await cache.left(), ['image 8', 'image 9']);
    assert.deepEqual(evictor.evicted, { maxSize: 3, registry: 0, minFree: 5 });
  });

  it('never takes what is pinned, and says once that nothing is stored any more', async () => {
    const { cache, evictor, log, room, run } = await limitedImages(
      { maxSize: 1500 },
      { pinned: ['**'], count: 2 },
    );
    await using _ = cache;
    await run();
    await run();
    assert.equal((await cache.left()).length, 2);
    assert.equal(evictor.isStuck, true);
    assert.equal(await room.reserve(host('ghcr.io'), { bytes: 1 }), undefined);
    assert.equal(log.at('error').length, 1);
    assert.match(log.at('error')[0] ?? '', /nothing more may go/);
  });

  it('takes nothing of an image of which one tag of a thousand is pinned', async () => {
    const around = { pinned: ['quay.io/acme/tool:t1999'], count: 2 };
    const { cache, evictor, run } = await limitedImages({ maxSize: 1000 }, around);
    await using _ = cache;
    const tags = Array.from({ length: 1000 }, (_each, at) => `t${1000 + at}`);
    await cache.image(tool, 'much tagged', [kilobyte.repeat(2)], tags);
    cache.passes(day);
    await run();
    assert.deepEqual(await cache.left(), ['much tagged']);
    assert.deepEqual(await cache.store.listTags(tool), tags);
    assert.equal(evictor.isStuck, true);
  });

  it('takes what its registry has no more when nothing else is left, and reports that', async () => {
    const { cache, log, run } = await limitedImages({ maxSize: 2500 }, { count: 4 });
    await using _ = cache;
    await cache.store.change([tagIsGone(app, parseTag('v0'), 1), tagIsGone(app, parseTag('v2'), 1)]);
    await run();
    assert.deepEqual(await cache.left(), ['image 0', 'image 2']);
    const warned = () => log.at('warn').filter((line) => line.includes('was evicted'));
    assert.deepEqual(warned(), []);
    await cache.image(tool, 'newer', [kilobyte.repeat(2)], ['v9']);
    await run();
    assert.deepEqual(await cache.left(), ['newer']);
    assert.equal(warned().length, 2);
  });

  it('leaves what came a moment ago, whose bytes could not go', async () => {
    const { cache, evictor, run } = await limitedImages({ maxSize: 1000 }, { count: 0 });
    await using _ = cache;
    await cache.image(app, 'image', [kilobyte], ['v1']);
    await run();
    assert.deepEqual(await cache.left(), ['image']);
    assert.equal(evictor.isStuck, true);
    cache.passes(CachedImages.graceMs + 1);
    await run();
    assert.deepEqual([await cache.left(), await cache.here(), evictor.isStuck], [[], [], false]);
  });

  it('leaves an image that somebody pins meanwhile as it is, with all its tags, and counts it not as evicted', async () => {
    const { cache, evictor, log, run } = await limitedImages({ maxSize: 1500 }, { count: 2 });
    await using _ = cache;
    await cache.image(app, 'image 0', [`${kilobyte}0`], ['other']);
    const { graph } = cache.parts;
    const node = graph.node.bind(graph);
    let looks = 0;
    graph.node = async (owner, digest) => {
      const found = await node(owner, digest);
      // When it was seen as one that may go.
      if (digest !== cache.digest('image 0')) return found;
      looks += 1;
      if (looks === 1) await cache.store.change([pinTag(app, parseTag('v0'), true)]);
      return found;
    };
    await run();
    assert.deepEqual(await cache.left(), ['image 0']);
    assert.deepEqual(await cache.store.listTags(app), ['other', 'v0']);
    assert.equal(evictor.evicted.maxSize, 1);
    assert.equal(log.at('info').filter((line) => line.includes('was evicted')).length, 1);
  });

  it('counts it not as evicted either where the pin comes in the last moment', async () => {
    const { cache, evictor, log, run } = await limitedImages({ maxSize: 1500 }, { count: 2 });
    await using _ = cache;
    const change = cache.store.change.bind(cache.store);
    cache.store.change = async (operations) => {
      const isFirst = operations.some((each) => each.kind === 'remove tag' && each.repository === app);
      if (isFirst) await change([pinTag(app, parseTag('v0'), true)]);
      await change(operations);
    };
    await run();
    assert.deepEqual(await cache.left(), ['image 0']);
    assert.equal(evictor.evicted.maxSize, 1);
    assert.equal(log.at('info').filter((line) => line.includes('was evicted')).length, 1);
  });

  it('takes nothing for room on the disk whose files have other names, and says that nothing more may go', async () => {
    const { cache, evictor, run } = await limitedImages(
      { minFree: 100_000 },
      { free: 98_000, isLinked: () => true },
    );
    await using _ = cache;
    await run();
    assert.equal((await cache.left()).length, 10);
    assert.deepEqual([evictor.isStuck, evictor.evicted.minFree], [true, 0]);
  });

  it('takes what makes room on the disk, and counts not what has another name of it', async () => {
    const { cache, evictor, run } = await limitedImages(
      { minFree: 50_000 },
      { free: 49_000 + 5 * 2011, count: 2, isLinked: (text) => text.endsWith('0') },
    );
    await using _ = cache;
    // Of the first nothing would be free, of the second all, of each of the others half.
    for (const at of [2, 3, 4, 5, 6]) {
      await cache.image(app, `image ${at}`, [`${kilobyte}${at}0`, `${kilobyte}${at}1`], [`v${at}`]);
      cache.passes(3_600_000);
    }
    await run();
    // Down to a twentieth below: 3632 bytes.
    assert.deepEqual(await cache.left(), ['image 0', 'image 5', 'image 6']);
    assert.deepEqual([evictor.isStuck, evictor.evicted.minFree], [false, 4]);
  });

  it('counts what is on its way of a registry as its own', async () => {
    const { cache, room, run } = await limitedImages({ registries: new Map([[host('quay.io'), 6000]]) });
    await using _ = cache;
    using _others = await room.reserve(host('ghcr.io'), { bytes: 5000 });
    await run();
    assert.equal((await cache.left()).length, 10);
    using own = await room.reserve(host('quay.io'), { bytes: 2000 });
    assert.ok(own);
    // Five of them, of 1008 bytes each, have to share 5700 bytes with the blob.
    assert.deepEqual(
      (await cache.left()).filter((text) => Number(text.at(-1)) % 2 === 1),
      ['image 5', 'image 7', 'image 9'],
    );
  });

  it('counts what two registries share in each of them', async () => {
    const { cache, evictor, run } = await limitedImages(
      { maxSize: 1500, registries: new Map([[host('quay.io'), 900]]) },
      { count: 0 },
    );
    await using _ = cache;
    await cache.image(app, 'one', [kilobyte], ['v1']);
    await cache.image(tool, 'other', [kilobyte], ['v1']);
    cache.passes(CachedImages.graceMs + 1);
    await run();
    assert.deepEqual([await cache.left(), await cache.here()], [['one'], ['one', kilobyte]]);
    assert.deepEqual(evictor.evicted, { maxSize: 0, registry: 1, minFree: 0 });
  });

  it('is not full because of one blob for which there is no room, and full a twentieth below its limit', async () => {
    const { cache, evictor, room } = await limitedImages({ maxSize: 10_000 }, { count: 8, pinned: ['**'] });
    await using _ = cache;
    assert.equal(await room.reserve(host('ghcr.io'), { bytes: 5000 }), undefined);
    assert.equal(evictor.isStuck, false);
    using small = await room.reserve(host('ghcr.io'), { bytes: 1500 });
    assert.ok(small);
    assert.equal(await room.reserve(host('ghcr.io'), { bytes: 1000 }), undefined);
    assert.equal(evictor.isStuck, true);
  });

  it('is full no more as soon as what filled it does not come after all', async () => {
    const { cache, evictor, room } = await limitedImages({ maxSize: 10_000 }, { count: 8, pinned: ['**'] });
    await using _ = cache;
    const turns = async (): Promise<void> => {
      for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    };
    for (const giveBack of [
      (held: Reservation) => held[Symbol.dispose](),
      (held: Reservation) => held.shrink(100),
    ]) {
      const held = await room.reserve(host('ghcr.io'), { bytes: 1500 });
      assert.ok(held);
      assert.equal(await room.reserve(host('ghcr.io'), { bytes: 1000 }), undefined);
      await turns();
      assert.equal(evictor.isStuck, true);
      giveBack(held);
      await turns();
      assert.equal(evictor.isStuck, false);
      using _other = await room.reserve(host('ghcr.io'), { bytes: 1000 });
      assert.ok(_other);
      held[Symbol.dispose]();
    }
  });

  it('takes nothing for a blob for which there would be no room though all went that may', async () => {
    const { cache, evictor, log, room } = await limitedImages(
      { maxSize: 10_500 },
      { pinned: ['quay.io/**'] },
    );
    await using _ = cache;
    // Five are pinned, of 1008 bytes each.
    assert.equal(await room.reserve(host('ghcr.io'), { bytes: 6000 }), undefined);
    assert.equal((await cache.left()).length, 10);
    assert.deepEqual([evictor.isStuck, evictor.evicted.maxSize, log.at('error')], [false, 0, []]);
    using fits = await room.reserve(host('ghcr.io'), { bytes: 5000 });
    assert.ok(fits);
    assert.equal((await cache.left()).length, 5);
  });

  it('goes on beside another evictor, and takes no more than has to go', async () => {
    const one = await limitedImages({ maxSize: 8000 });
    await using cache = one.cache;
    const other = await limitedImages({ maxSize: 8000 }, { cache, count: 0 });
    const change = cache.store.change.bind(cache.store);
    let isFirst = true;
    cache.store.change = async (operations) => {
      const isOurs = isFirst;
      isFirst = false;
      // While the first of ours is about to go all goes that has to.
      if (isOurs) await other.run();
      await change(operations);
    };
    await one.run();
    assert.equal((await cache.left()).length, 7);
    assert.deepEqual([one.evictor.isStuck, other.evictor.isStuck], [false, false]);
  });
});
