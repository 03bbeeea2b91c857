import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { systemClock } from '#src/base/clock.ts';
import { RegistryError } from '#src/oci/error.ts';
import { parseTag, type Tag } from '#src/oci/reference.ts';
import type { Registry } from '#src/oci/registry.ts';
import { CacheUnderTest } from '#test/fakes/cache-under-test.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { alpine, numbered, type PagingBehaviour, PagingUpstream } from '#test/fakes/paging-upstream.ts';
import { gate } from '#test/fakes/scripted-registry.ts';
import { repetitions } from '#test/setup/repetitions.ts';

function paged(behaviour: PagingBehaviour) {
  const upstream = new PagingUpstream(behaviour);
  return { upstream, cache: new CacheUnderTest({ upstream: upstream.registry }) };
}

/** As our server’s clients walk: behind the last tag that they were shown. */
async function walk(
  registry: Registry,
  n: number | undefined,
  pause: () => Promise<void> = async () => {},
): Promise<Tag[]> {
  const seen: Tag[] = [];
  for (let last: string | undefined, steps = 0; ; steps += 1) {
    assert.ok(steps < 200, 'the walk has no end');
    const list = await registry.listTags(alpine, { n, last });
    const page = list.tags.slice(0, n);
    seen.push(...page);
    if (page.length === list.tags.length && !list.hasMore) return seen;
    last = page.at(-1);
    await pause();
  }
}

const down = { status: 503 };

describe('a walk through the tags of a repository', () => {
  it('reads each of upstream’s pages once, as far as they are needed', async () => {
    const { upstream, cache } = paged({ tags: numbered(12_345), pageSize: 100 });
    await using _ = cache;
    await cache.registry.listTags(alpine, { n: 10 });
    await cache.registry.listTags(alpine, { n: 10, last: 't00009' });
    assert.equal(upstream.asked.length, 1);
    assert.deepEqual(await walk(cache.registry, 1000), numbered(12_345));
    assert.equal(upstream.asked.length, 124);
    await cache.settle();
    assert.deepEqual((await cache.parts.metadata.getTagList(alpine))?.items, numbered(12_345));
  });

  it('of several clients is one: whoever comes while a page is read shares it', async () => {
    const { upstream, cache } = paged({ tags: numbered(1000), pageSize: 100 });
    await using _ = cache;
    const all = await Promise.all([10, 1000, 150, 25].map(async (n) => await walk(cache.registry, n)));
    for (const seen of all) assert.deepEqual(seen, numbered(1000));
    assert.equal(upstream.asked.length, 10);
  });

  it('that comes to the end of what is read at once goes on there', async () => {
    const { upstream, cache } = paged({ tags: numbered(12_345), pageSize: 100 });
    await using _ = cache;
    for (let round = 0; round < 2; round += 1) {
      const list = await cache.registry.listTags(alpine);
      assert.deepEqual([list.tags.length, list.hasMore, list.cut], [10_000, true, 'bounded']);
      assert.equal(upstream.asked.length, 100);
    }
    assert.deepEqual(await walk(cache.registry, 3000), numbered(12_345));
    assert.equal(upstream.asked.length, 124);
  });

  it('without a number goes on behind the bound of one answer, where nothing is read yet', async () => {
    const { upstream, cache } = paged({ tags: numbered(12_345), pageSize: 100 });
    await using _ = cache;
    assert.deepEqual(await walk(cache.registry, undefined), numbered(12_345));
    assert.equal(upstream.asked.length, 124);
  });

  it('is not kept for an outage where it is too long for that', async () => {
    await using cache = new CacheUnderTest();
    const tags = Array.from({ length: 40_000 }, (_, at) => parseTag(`${'t'.repeat(120)}${at}`));
    cache.upstream.tags = async () => ({ tags, hasMore: false });
    assert.equal((await cache.registry.listTags(alpine)).tags.length, 40_000);
    await cache.settle();
    assert.equal(await cache.parts.metadata.getTagList(alpine), undefined);
  });

  it('sees a new list after ten seconds, and goes on in it behind the same tag', async () => {
    const tags = numbered(300);
    const { upstream, cache } = paged({ tags, pageSize: 100 });
    await using _ = cache;
    await cache.registry.listTags(alpine, { n: 100 });
    tags.splice(150, 0, 't00149x');
    await cache.clock.advance(10_000);
    const next = await cache.registry.listTags(alpine, { n: 100, last: 't00099' });
    assert.equal(next.tags[50], 't00149x');
    assert.deepEqual(upstream.queries, ['?n=1000', '?n=1000&last=t00099']);
  });

  it('finds each tag, however upstream sorts and pages, whatever other clients do and time does', async () => {
    const tag = fc.stringMatching(/^[A-Ca-c0-1_]{1,3}$/);
    const behaviour = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({
          tags: fc.uniqueArray(tag, { minLength: 1, maxLength: 30 }),
          pageSize: fc.integer({ min: 1, max: 8 }),
          last: fc.constantFrom('behind', 'ignored', 'refused'),
          link: fc.constant('page'),
        }),
      },
      // More than the hundred pages that are read for one answer.
      {
        weight: 1,
        arbitrary: fc.record({
          tags: fc.uniqueArray(tag, { minLength: 101, maxLength: 130 }).map((tags) => tags.toSorted()),
          pageSize: fc.constant(1),
          last: fc.constant('behind'),
          link: fc.constant('page'),
        }),
      },
    );
    const clients = fc.array(
      fc.tuple(
        fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
        fc.constantFrom(0, 3000, 11_000, 70_000),
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    );
    await fc.assert(
      fc.asyncProperty(behaviour, fc.boolean(), clients, async (kind, isSorted, walkers) => {
        const tags = isSorted ? kind.tags.toSorted() : kind.tags;
        const cache: CacheUnderTest = new CacheUnderTest({
          upstream: new PagingUpstream({
            ...(kind as PagingBehaviour),
            tags,
            clock: { ...systemClock, monotonic: () => cache.clock.monotonic() },
          }).registry,
        });
        await using _ = cache;
        const walks = walkers.map(
          async ([n, pause]) => await walk(cache.registry, n, async () => await cache.clock.advance(pause)),
        );
        for (const seen of await Promise.all(walks)) {
          assert.deepEqual([...new Set(seen)].toSorted(), tags.toSorted());
        }
      }),
      { numRuns: repetitions(100) },
    );
  });
});

describe('an upstream that goes in a circle', () => {
  it('is followed no further, and the list is no whole one', async () => {
    await using cache = new CacheUnderTest();
    const tags = ['a', 'b'].map(parseTag);
    cache.upstream.script = () => undefined;
    cache.upstream.tags = async () => ({ tags, hasMore: true });
    const list = await cache.registry.listTags(alpine);
    assert.deepEqual(list, { tags, hasMore: false, cut: 'failed' });
    assert.equal(cache.upstream.calls.length, 2);
    await cache.settle();
    assert.equal(await cache.parts.metadata.getTagList(alpine), undefined);
  });
});

describe('a list of tags that breaks off', () => {
  function breaking() {
    const made = paged({ tags: numbered(900), pageSize: 100 });
    const { upstream } = made;
    const breakAt = (last: string | undefined): void => {
      upstream.fault = (query) =>
        last !== undefined && (query.get('last') ?? '') >= last ? down : undefined;
    };
    return { ...made, breakAt };
  }

  it('is answered as far as it goes, is not kept, and goes on when upstream does', async () => {
    const { upstream, cache, breakAt } = breaking();
    await using _ = cache;
    breakAt('t00599');
    const list = await cache.registry.listTags(alpine, cache.reporting);
    assert.deepEqual(list, { tags: numbered(600), hasMore: true, cut: 'failed' });
    assert.deepEqual(cache.outcome, { kind: 'miss' });
    await cache.settle();
    assert.equal(await cache.parts.metadata.getTagList(alpine), undefined);
    const part = await cache.registry.listTags(alpine, { n: 100 });
    assert.deepEqual([part.tags.length, part.cut], [600, undefined]);
    breakAt(undefined);
    const asked = upstream.asked.length;
    const rest = await cache.registry.listTags(alpine, { last: 't00599' });
    assert.deepEqual(rest.tags, numbered(900).slice(600));
    assert.equal(upstream.queries[asked], '?n=1000&last=t00599');
    await cache.settle();
    assert.equal((await cache.parts.metadata.getTagList(alpine))?.items.length, 900);
  });

  it('is an error to whoever has read up to there, where nothing is known of the rest', async () => {
    const { cache, breakAt } = breaking();
    await using _ = cache;
    breakAt('t00599');
    await cache.registry.listTags(alpine);
    await assert.rejects(cache.registry.listTags(alpine, { last: 't00599' }), { status: 502 });
  });

  it('does not take the place of the whole that was seen before', async () => {
    const { cache, breakAt } = breaking();
    await using _ = cache;
    await cache.registry.listTags(alpine);
    await cache.settle();
    await cache.clock.advance(10_000);
    breakAt('t00599');
    assert.equal((await cache.registry.listTags(alpine)).tags.length, 600);
    const behind = await cache.registry.listTags(alpine, { last: 't00599', ...cache.reporting });
    assert.deepEqual(behind.tags, numbered(900).slice(600));
    assert.equal(cache.outcome?.kind, 'stale');
    breakAt('');
    await cache.clock.advance(10_000);
    assert.equal((await cache.registry.listTags(alpine)).tags.length, 900);
  });

  it('of which only some tags are cached says in an outage that it is a part', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'v1', []);
    await cache.registry.getManifest(alpine, parseTag('v1'));
    await cache.settle();
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    const list = await cache.registry.listTags(alpine);
    assert.deepEqual(list, { tags: ['v1'], hasMore: false, cut: 'failed' });
  });

  it('is what there is in an outage, with the cached tags, and says that it is a part', async () => {
    const { cache, breakAt } = breaking();
    await using _ = cache;
    breakAt('t00599');
    await cache.registry.listTags(alpine);
    breakAt('');
    await cache.clock.advance(10_000);
    const list = await cache.registry.listTags(alpine, cache.reporting);
    assert.deepEqual(list, { tags: numbered(600), hasMore: false, cut: 'failed' });
    assert.deepEqual(cache.outcome, { kind: 'stale', cause: 'upstream unavailable' });
  });
});

describe('referrers that break off', () => {
  it('are not kept as the whole list', async () => {
    await using cache = new CacheUnderTest();
    const { manifest } = putImage(cache.content, alpine, 'v1', [bytes(5)]);
    cache.upstream.referrers = async (next) => ({ ...(await next()), cut: 'failed' });
    const list = await cache.registry.listReferrers(alpine, manifest.digest);
    assert.equal(list.cut, 'failed');
    await cache.settle();
    assert.equal(await cache.parts.metadata.getReferrersList(alpine, manifest.digest), undefined);
  });
});

describe('a client that leaves', () => {
  it('leaves the list to those who wait for it as well', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'v1', []);
    const stop = gate();
    cache.upstream.script = async () => await stop.wait();
    const client = new AbortController();
    const leaving = cache.registry.listTags(alpine, { signal: client.signal });
    const staying = cache.registry.listTags(alpine);
    await stop.reached;
    client.abort(new Error('left'));
    await assert.rejects(leaving, /left/);
    stop.open();
    assert.deepEqual((await staying).tags, [parseTag('v1')]);
    assert.equal(cache.upstream.calls.length, 1);
  });

  it('does not make a failure of those who come later', async () => {
    await using cache = new CacheUnderTest();
    putImage(cache.content, alpine, 'v1', []);
    cache.upstream.script = () => {
      throw new RegistryError('UNAVAILABLE');
    };
    await assert.rejects(cache.registry.listTags(alpine), { status: 502 });
    cache.upstream.script = () => undefined;
    assert.deepEqual((await cache.registry.listTags(alpine)).tags, [parseTag('v1')]);
  });
});
