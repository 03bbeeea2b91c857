import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { RegistryError } from '#src/oci/error.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';
import type { TagList } from '#src/oci/registry.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { alpine, numbered, type PagingBehaviour, PagingUpstream } from '#test/fakes/paging-upstream.ts';

const path = '/v2/library/alpine/tags/list';

describe('a link to the next page', () => {
  for (const [what, linkPath] of [
    ['lost a prefix (Artifactory)', '/v2/alpine/tags/list'],
    ['has one more (Nexus)', 'http://10.0.0.1:5002/repository/hub/v2/library/alpine/tags/list'],
    [
      'has that of the registry behind (drydock, Pulp)',
      'https://registry-1.docker.io/pulp/content/tags/list',
    ],
    ['has no path', ''],
    ['has a slash at its end', `${path}/`],
    ['leads above', '../../../../../admin'],
  ] as const) {
    it(`that ${what} is followed on the path that was asked`, async () => {
      const upstream = new PagingUpstream({ tags: numbered(2500), linkPath });
      const list = await upstream.registry.listTags(alpine);
      assert.deepEqual(list, { tags: numbered(2500), hasMore: false, cut: undefined });
      assert.deepEqual(upstream.asked, [
        `${path}?n=1000`,
        `${path}?n=1000&last=t00999`,
        `${path}?n=1000&last=t01999`,
      ]);
    });
  }

  it('with a cursor of upstream’s own is followed by it', async () => {
    const upstream = new PagingUpstream({ tags: numbered(250), pageSize: 100, link: 'page', linkPath: '/x' });
    assert.deepEqual((await upstream.registry.listTags(alpine)).tags, numbered(250));
    assert.deepEqual(upstream.asked, [`${path}?n=1000`, `${path}?page=100`, `${path}?page=200`]);
  });

  it('of a mirror stays below the mirror’s path and names the registry', async () => {
    const mirror = { path: '/v2/proxy', of: parseRegistryHost('docker.io') };
    const upstream = new PagingUpstream({ tags: numbered(150), pageSize: 100, mirror });
    await upstream.registry.listTags(alpine);
    const below = '/v2/proxy/library/alpine/tags/list';
    assert.deepEqual(upstream.asked, [
      `${below}?ns=docker.io&n=1000`,
      `${below}?n=1000&last=t00099&ns=docker.io`,
    ]);
  });
});

describe('a later page that fails', () => {
  for (const [what, answer] of [
    ['500', { status: 500 }],
    ['404', { status: 404 }],
    ['429', { status: 429 }],
    ['a web page', { status: 200, body: '<!doctype html>' }],
    ['a part of JSON', { status: 200, body: '{"tags":["t' }],
  ] as const) {
    it(`with ${what} leaves those before it, and the list goes on there`, async () => {
      const upstream = new PagingUpstream({ tags: numbered(900), pageSize: 100 });
      upstream.fault = (query) => (query.get('last') === 't00599' ? answer : undefined);
      const list = await upstream.registry.listTags(alpine);
      assert.deepEqual(list, { tags: numbered(600), hasMore: true, cut: 'failed' });
      assert.deepEqual(upstream.oddities, ['a list of upstream broke off']);
      upstream.fault = () => undefined;
      const asked = upstream.asked.length;
      const rest = await upstream.registry.listTags(alpine, { last: 't00599' });
      assert.deepEqual(rest, { tags: numbered(900).slice(600), hasMore: false, cut: undefined });
      assert.equal(upstream.queries[asked], '?n=1000&last=t00599');
      assert.equal(upstream.unread, 0);
    });
  }

  it('is an error to whoever asks for what is behind the page before', async () => {
    const upstream = new PagingUpstream({ tags: numbered(900), pageSize: 100 });
    upstream.fault = (query) => (query.get('last') === 't00599' ? { status: 500 } : undefined);
    await assert.rejects(upstream.registry.listTags(alpine, { last: 't00599' }), { status: 502 });
  });

  it('is no part of a list to whoever has left', async () => {
    const upstream = new PagingUpstream({ tags: numbered(900), pageSize: 100 });
    const client = new AbortController();
    upstream.fault = (_, count) => {
      if (count === 3) client.abort(new Error('left'));
      return undefined;
    };
    await assert.rejects(upstream.registry.listTags(alpine, { signal: client.signal }), /left/);
  });
});

describe('so many tags', () => {
  it('cost no more pages than they need, and so do those behind them', async () => {
    const upstream = new PagingUpstream({ tags: numbered(12_345), pageSize: 100 });
    const first = await upstream.registry.listTags(alpine, { n: 10 });
    assert.deepEqual([first.tags.length, first.hasMore], [100, true]);
    assert.deepEqual(upstream.queries, ['?n=1000']);
    const next = await upstream.registry.listTags(alpine, { n: 250, last: first.tags.at(-1) });
    assert.deepEqual(next.tags, numbered(400).slice(100));
    assert.deepEqual(
      upstream.queries.slice(1),
      [99, 199, 299].map((at) => `?n=1000&last=t00${at < 100 ? `0${at}` : at}`),
    );
  });

  it('beyond what is read at once are to be had behind it', async () => {
    const upstream = new PagingUpstream({ tags: numbered(12_345), pageSize: 100 });
    const first = await upstream.registry.listTags(alpine);
    assert.deepEqual([first.tags.length, first.hasMore, first.cut], [10_000, true, 'bounded']);
    const rest = await upstream.registry.listTags(alpine, { last: 't09999' });
    assert.deepEqual([rest.tags.length, rest.hasMore, rest.cut], [2345, false, undefined]);
    assert.equal(upstream.asked.length, 124);
  });

  it('are no more than 16 MiB of JSON and a page', async () => {
    const upstream = new PagingUpstream({ tags: numbered(100), pageSize: 10 });
    upstream.fault = (query) => ({
      status: 200,
      headers: { link: `<${path}?page=${Number(query.get('page')) + 1}>; rel="next"` },
      body: JSON.stringify({ tags: [`p${query.get('page')}`], junk: 'x'.repeat(3 * 1024 * 1024) }),
    });
    const list = await upstream.registry.listTags(alpine);
    assert.deepEqual([upstream.asked.length, list.tags.length, list.cut], [6, 6, 'bounded']);
  });

  it('are no more than a hundred thousand of all pages, and the others are behind them', async () => {
    const tags = numbered(100_000).map((tag) => `${tag}x`);
    const upstream = new PagingUpstream({
      tags: numbered(100_000),
      pageSize: 30_000,
      ignoresNumber: true,
      link: 'page',
    });
    const first = await upstream.registry.listTags(alpine);
    assert.deepEqual([first.tags.length, first.hasMore, first.cut], [100_000, false, undefined]);
    const longer = new PagingUpstream({
      tags: [...numbered(95_000), ...tags],
      pageSize: 30_000,
      ignoresNumber: true,
    });
    const list = await longer.registry.listTags(alpine);
    assert.deepEqual([list.tags.length, list.hasMore, list.cut], [100_000, true, 'bounded']);
    assert.deepEqual(longer.oddities, ['upstream has more entries on a page than are read']);
    const end = list.tags.at(-1);
    const rest = await longer.registry.listTags(alpine, { n: 5, last: end });
    assert.deepEqual(rest.tags.slice(0, 2), ['t05000x', 't05001x']);
    assert.equal(longer.queries[4], `?n=1000&last=${end}`);
  });

  it('of one page that has more, behind which upstream knows no place, end there and say so', async () => {
    for (const last of ['ignored', 'refused'] as const) {
      const upstream = new PagingUpstream({
        tags: numbered(100_500),
        pageSize: 200_000,
        ignoresNumber: true,
        last,
      });
      const list = await upstream.registry.listTags(alpine);
      assert.deepEqual([list.tags.length, list.hasMore, list.cut], [100_000, true, 'bounded']);
      const rest = await upstream.registry.listTags(alpine, { last: list.tags.at(-1) });
      assert.deepEqual(rest, { tags: [], hasMore: false, cut: 'bounded' });
    }
  });

  it('as were asked for, and no link, are followed by those behind them (crane registry serve)', async () => {
    for (const last of ['behind', 'ignored', 'refused'] as const) {
      const upstream = new PagingUpstream({ tags: numbered(2000), link: 'none', last });
      const list = await upstream.registry.listTags(alpine);
      const found = last === 'behind' ? 2000 : 1000;
      assert.deepEqual(list, { tags: numbered(found), hasMore: false, cut: undefined }, last);
      assert.equal(upstream.asked.length, last === 'behind' ? 3 : 2);
    }
  });

  it('as were asked for, where it cannot be found out whether there are more, are no whole list', async () => {
    const upstream = new PagingUpstream({ tags: numbered(2000), link: 'none' });
    upstream.fault = (query) => (query.has('last') ? { status: 503 } : undefined);
    const list = await upstream.registry.listTags(alpine);
    assert.deepEqual([list.tags.length, list.hasMore, list.cut], [1000, true, 'failed']);
  });
});

describe('the tags behind one', () => {
  it('cost one request more, once for a repository, to see whether upstream knows what that is', async () => {
    const upstream = new PagingUpstream({ tags: numbered(300), pageSize: 100 });
    assert.deepEqual((await upstream.registry.listTags(alpine, { n: 5, last: 't00150' })).tags[0], 't00151');
    assert.deepEqual((await upstream.registry.listTags(alpine, { n: 5, last: 't00020x' })).tags[0], 't00021');
    assert.deepEqual(upstream.queries, ['?n=1000&last=t00150', '?n=1000', '?n=1000&last=t00020x']);
  });

  it('are looked for from the beginning where upstream ignores the question, or refuses it', async () => {
    for (const last of ['ignored', 'refused'] as const) {
      const upstream = new PagingUpstream({ tags: numbered(300), pageSize: 100, link: 'page', last });
      const list = await upstream.registry.listTags(alpine, { n: 10, last: 't00195x' });
      assert.deepEqual(list.tags, numbered(300).slice(196));
      assert.deepEqual(upstream.queries, ['?n=1000&last=t00195x', '?n=1000', '?page=100', '?page=200']);
    }
  });

  it('are an error where upstream fails before they are found', async () => {
    for (const failure of [new RegistryError('UNAVAILABLE'), undefined]) {
      const upstream = new PagingUpstream({
        tags: numbered(300),
        pageSize: 100,
        link: 'page',
        last: 'ignored',
      });
      upstream.fault = (query) => {
        if (query.get('page') !== '100') return undefined;
        if (failure !== undefined) throw failure;
        return { status: 500 };
      };
      await assert.rejects(upstream.registry.listTags(alpine, { last: 't00150' }), { status: 502 });
    }
  });

  it('that upstream does not know any more after a page that was full are the rest that is lost, not the end', async () => {
    const upstream = new PagingUpstream({ tags: numbered(5000), link: 'none' });
    upstream.fault = (query) => {
      if (query.get('last') === 't00999') {
        return { status: 200, headers: { link: '<?page=2>; rel="next"' }, body: '{"tags":["u"]}' };
      }
      return query.has('page') ? { status: 404 } : undefined;
    };
    const list = await upstream.registry.listTags(alpine);
    assert.deepEqual([list.tags.length, list.hasMore, list.cut], [1001, true, 'failed']);
  });

  it('that are not found within the bounds are none, and that is said', async () => {
    const upstream = new PagingUpstream({
      tags: numbered(11_000).reverse(),
      pageSize: 100,
      link: 'page',
      last: 'ignored',
    });
    const list = await upstream.registry.listTags(alpine, { n: 10, last: 't00005' });
    assert.deepEqual(list, { tags: [], hasMore: false, cut: 'bounded' });
  });

  it('are asked for without the place where upstream’s link went on, a minute later', async () => {
    const clock = new FakeClock();
    const upstream = new PagingUpstream({ tags: numbered(300), pageSize: 100, link: 'page', clock });
    await upstream.registry.listTags(alpine, { n: 1 });
    await upstream.registry.listTags(alpine, { n: 1, last: 't00099' });
    await clock.advance(60_000);
    await upstream.registry.listTags(alpine, { n: 1, last: 't00099' });
    assert.deepEqual(upstream.queries.slice(0, 3), ['?n=1000', '?page=100', '?n=1000&last=t00099']);
  });

  it('are none of another repository’s', async () => {
    const upstream = new PagingUpstream({ tags: numbered(300), pageSize: 100, link: 'page' });
    await upstream.registry.listTags(alpine, { n: 1 });
    await upstream.registry.listTags(`${alpine}2` as typeof alpine, { n: 1, last: 't00099' });
    assert.equal(upstream.queries[1], '?n=1000&last=t00099');
  });
});

describe('a walk through all pages', () => {
  const orders: Readonly<Record<string, (tags: string[]) => string[]>> = {
    ascii: (tags) => tags.toSorted(),
    collated: (tags) =>
      tags.toSorted((a, b) => a.toLowerCase().localeCompare(b.toLowerCase()) || (a < b ? -1 : 1)),
    created: (tags) => tags,
  };
  const behaviour = fc.record({
    tags: fc.uniqueArray(fc.stringMatching(/^[A-Za-c0-1_]{1,3}$/), { minLength: 1, maxLength: 30 }),
    order: fc.constantFrom('ascii', 'collated', 'created'),
    pageSize: fc.integer({ min: 1, max: 8 }),
    last: fc.constantFrom('behind', 'ignored', 'refused'),
    link: fc.constantFrom('last', 'page'),
  });

  /** As our server’s clients walk: behind the last tag that they were shown. */
  async function walk(upstream: PagingUpstream, n: number, pause: () => Promise<void>): Promise<string[]> {
    const seen: string[] = [];
    for (let last: string | undefined, steps = 0; ; steps += 1) {
      assert.ok(steps < 100, 'the walk has no end');
      const list: TagList = await upstream.registry.listTags(alpine, { n, last });
      const page = list.tags.slice(0, n);
      seen.push(...page);
      if (page.length === list.tags.length && !list.hasMore) return seen;
      last = page.at(-1);
      await pause();
    }
  }

  it('finds each tag once and ends, however upstream sorts, pages and understands what it is asked', async () => {
    await fc.assert(
      fc.asyncProperty(behaviour, fc.integer({ min: 1, max: 12 }), fc.boolean(), async (kind, n, isSlow) => {
        // What ignores `last` and knows no other way has one page.
        fc.pre(kind.last === 'behind' || kind.link === 'page');
        const clock = new FakeClock();
        const tags = (orders[kind.order] ?? orders['ascii'])?.(kind.tags) ?? [];
        const upstream = new PagingUpstream({ ...(kind as PagingBehaviour), tags, clock });
        const seen = await walk(upstream, n, async () => {
          if (isSlow) await clock.advance(60_000);
        });
        assert.deepEqual(seen.toSorted(), tags.toSorted());
      }),
      { numRuns: 500 },
    );
  });
});
