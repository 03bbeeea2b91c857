import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { hostedHost, parseTag, type RegistryHost, repositoryName } from '#src/oci/reference.ts';
import { Evictor } from '#src/retention/evictor.ts';
import type { Limits } from '#src/retention/limits.ts';
import { ReservedRoom } from '#src/retention/reserved-room.ts';
import { tagIsGone } from '#src/storage/operation.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { CachedImages } from '#test/fakes/cached-images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';

const app = repository('ghcr.io/org/app');
const tool = repository('quay.io/acme/tool');
const day = 86_400_000;
const kilobyte = 'x'.repeat(1000);
const host = (name: string): RegistryHost => name as RegistryHost;

interface Around {
  readonly pinned?: string[];
  readonly count?: number;
  readonly free?: number;
  /** Told when the trash is looked at. */
  readonly emptying?: (evictor: Evictor) => void;
}

/** Images of a kilobyte and a little, an hour from one to the next. */
async function cached(
  limits: Partial<Limits>,
  { pinned = [], count = 10, free = 1_000_000, emptying = () => {} }: Around = {},
) {
  const cache = new CachedImages(pinned);
  for (let at = 0; at < count; at += 1) {
    await cache.image(at % 2 === 0 ? app : tool, `image ${at}`, [`${kilobyte}${at}`], [`v${at}`]);
    cache.passes(3_600_000);
  }
  const log = new LogLines();
  const all: Limits = { maxSize: 0, minFree: 0, registries: new Map(), ...limits };
  const room: ReservedRoom = new ReservedRoom(
    all,
    (of) => evictor.isStuckFor(of),
    () => {},
  );
  const used = async () => {
    const { blobBytes, manifestBytes } = await cache.store.inventory.totals();
    return blobBytes + manifestBytes;
  };
  const before = await used();
  const evictor: Evictor = new Evictor({
    ...cache.parts,
    inventory: cache.store.inventory,
    limits: all,
    space: async () => ({ size: 10_000_000, free: free + before - (await used()) }),
    reserved: room,
    log,
    discarded: {
      list: async () => {
        emptying(evictor);
        return [];
      },
      remove: async () => true,
    },
  });
  return {
    cache,
    evictor,
    room,
    log,
    used,
    run: async () => await evictor.run(new AbortController().signal),
  };
}

describe('eviction', () => {
  it('evicts nothing that lives here: what is cached gives way to it, and then nothing more may come', async () => {
    const { cache, evictor, room, used, run } = await cached({ maxSize: 12_000 });
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
    assert.equal(room.reserve(hostedHost, 1), undefined);
  });

  it('begins over the limit, takes what was used longest ago, and ends a twentieth below', async () => {
    const { cache, evictor, run, used } = await cached({ maxSize: 8000 });
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
    assert.equal(evictor.evicted.maxSize, 3);
  });

  it('lets nothing more come as soon as nothing may go, while the files of what went still wait', async () => {
    const stuck: boolean[] = [];
    const pinned = ['ghcr.io/**'];
    const { cache, run } = await cached(
      { maxSize: 4000 },
      { pinned, emptying: ({ isStuck }) => void stuck.push(isStuck) },
    );
    await using _ = cache;
    await run();
    // Once before it is looked what may go, and once behind it.
    assert.deepEqual(stuck, [false, true]);
  });

  it('keeps each registry within its own, by what its images refer to', async () => {
    const { cache, run } = await cached({ registries: new Map([[host('quay.io'), 3000]]) });
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
      const { cache, evictor, run } = await cached({ minFree }, { free: 98_000 });
      await using _ = cache;
      await run();
      assert.deepEqual(await cache.left(), ['image 8', 'image 9']);
      assert.deepEqual([evictor.evicted.minFree, evictor.isStuck], [8, false]);
    });

  it('takes what was used on two days after what was used once, and before it when that is long ago', async () => {
    const { cache, run } = await cached({ maxSize: 1100 }, { count: 3 });
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
    const { cache, evictor, room, run } = await cached(
      { registries: new Map([[host('quay.io'), 1500]]) },
      { pinned: ['quay.io/**'], count: 4 },
    );
    await using _ = cache;
    await run();
    assert.deepEqual([evictor.isStuck, evictor.stuckRegistries], [false, ['quay.io']]);
    assert.equal(room.reserve(host('quay.io'), 1), undefined);
    assert.ok(room.reserve(host('ghcr.io'), 1));
  });

  it('evicts for another limit while it rests from one that nothing can be done about', async () => {
    const { cache, evictor, run, used } = await cached(
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
    const { cache, room, run } = await cached({ minFree: 100_000 }, { free: 103_000 });
    await using _ = cache;
    let come = 6000;
    using _blob = room.reserve(host('ghcr.io'), 8000, () => come);
    await run();
    assert.equal((await cache.left()).length, 10);
    come = 4000;
    await run();
    assert.deepEqual(await cache.left(), ['image 7', 'image 8', 'image 9']);
  });

  it('takes once what two limits ask for', async () => {
    const { cache, evictor, run } = await cached({ maxSize: 8000, minFree: 100_000 }, { free: 98_000 });
    await using _ = cache;
    await run();
    // For the first of them three, and what is lacking of the other.
    assert.deepEqual(await cache.left(), ['image 8', 'image 9']);
    assert.deepEqual(evictor.evicted, { maxSize: 3, registry: 0, minFree: 5 });
  });

  it('never takes what is pinned, and says once that nothing is stored any more', async () => {
    const { cache, evictor, log, room, run } = await cached({ maxSize: 1500 }, { pinned: ['**'], count: 2 });
    await using _ = cache;
    await run();
    await run();
    assert.equal((await cache.left()).length, 2);
    assert.equal(evictor.isStuck, true);
    assert.equal(room.reserve(host('ghcr.io'), 1), undefined);
    assert.equal(log.at('error').length, 1);
    assert.match(log.at('error')[0] ?? '', /nothing more may go/);
  });

  it('takes what its registry has no more when nothing else is left, and reports that', async () => {
    const { cache, log, run } = await cached({ maxSize: 2500 }, { count: 4 });
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
    const { cache, evictor, run } = await cached({ maxSize: 1000 }, { count: 0 });
    await using _ = cache;
    await cache.image(app, 'image', [kilobyte], ['v1']);
    await run();
    assert.deepEqual(await cache.left(), ['image']);
    assert.equal(evictor.isStuck, true);
    cache.passes(CachedImages.graceMs + 1);
    await run();
    assert.deepEqual([await cache.left(), await cache.here(), evictor.isStuck], [[], [], false]);
  });
});

describe('room that is reserved', () => {
  it('counts what is to come, and is none for what is larger than all that may be kept', () => {
    let told = 0;
    const limits: Limits = { maxSize: 1000, minFree: 0, registries: new Map([[host('quay.io'), 100]]) };
    const room = new ReservedRoom(
      limits,
      () => false,
      () => (told += 1),
    );
    {
      using one = room.reserve(host('ghcr.io'), 600);
      using other = room.reserve(host('ghcr.io'), undefined);
      assert.ok(one && other);
      assert.equal(room.bytes, 600);
      assert.equal(room.reserve(host('ghcr.io'), 1001), undefined);
      assert.equal(room.reserve(host('quay.io'), 101), undefined);
    }
    assert.deepEqual([room.bytes, told], [0, 2]);
  });
});
