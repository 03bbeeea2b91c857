import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Catalog } from '#src/http/handlers/call.ts';
import { pullableCatalog, shownBeginnings } from '#src/http/pullable-catalog.ts';
import { targetOf } from '#src/http/target.ts';
import { parseRegistryHost } from '#src/oci/reference.ts';

const aliases = new Map(
  [
    ['hub', 'docker.io'],
    ['internal', 'registry.internal:5000'],
    ['aaa', '[::1]:5000'],
    ['zzz', '10.0.0.1:80'],
  ].map(([alias = '', host = '']) => [alias, parseRegistryHost(host)] as const),
);

/** What a store does with its names. */
function stored(names: readonly string[]): Catalog {
  const sorted = [...names].sort();
  return async ({ last = '', limit }) => sorted.filter((name) => name > last).slice(0, limit);
}

/** The whole catalogue as a client sees it who goes on behind the last name of each page. */
async function walk(catalog: Catalog, limit: number): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const page = await catalog({ last: seen.at(-1), limit });
    seen.push(...page);
    if (page.length < limit) return seen;
  }
}

const names = [
  '10.0.0.1:80/app',
  '[::1]:5000/a/b',
  'docker.io/library/alpine',
  'ghcr.io/org/app',
  'nameless.internal:5000/app',
  'quay.io/x',
  'registry.internal/app',
  'registry.internal:5000/app',
  'registry.internal:5000/app-2',
  'registry.internal:5000/team/app',
];
const shown = [
  'aaa/a/b',
  'docker.io/library/alpine',
  'ghcr.io/org/app',
  'internal/app',
  'internal/app-2',
  'internal/team/app',
  'nameless.internal:5000/app',
  'quay.io/x',
  'registry.internal/app',
  'zzz/app',
];

describe('the catalogue in names that can be pulled', () => {
  it('has the alias in the place of host and port, in the order of what it shows', async () => {
    assert.deepEqual(await pullableCatalog(stored(names), aliases)({ limit: 100 }), shown);
  });

  it('is the store’s own where nothing is called otherwise', () => {
    const list = stored(names);
    assert.equal(pullableCatalog(list, new Map([['hub', parseRegistryHost('docker.io')]])), list);
  });

  for (const limit of [1, 2, 3, 7]) {
    it(`is walked whole in pages of ${limit}`, async () => {
      assert.deepEqual(await walk(pullableCatalog(stored(names), aliases), limit), shown);
    });
  }

  it('goes on behind what no repository is called', async () => {
    const catalog = pullableCatalog(stored(names), aliases);
    for (const last of [
      'a',
      'internal',
      'internal/',
      'internal/app!',
      'internal/~',
      'internal0',
      'zzzz',
      'é',
    ]) {
      assert.deepEqual(
        await catalog({ last, limit: 100 }),
        shown.filter((name) => name > last),
        last,
      );
    }
  });

  it('reads no more of the store than the page and a little', async () => {
    const many = Array.from({ length: 5000 }, (_, at) => `quay.io/r${at}`);
    let read = 0;
    const list: Catalog = async (page) => {
      const found = await stored([...names, ...many])(page);
      read += found.length;
      return found;
    };
    await pullableCatalog(list, aliases)({ limit: 3 });
    assert.ok(read < 20, `${read} names`);
  });

  it('names one by its alias whose host is no host by itself: it would be what lives here', async () => {
    const bare = new Map([['short', parseRegistryHost('team')]]);
    const list = stored(['quay.io/a', 'team/app']);
    assert.deepEqual(await pullableCatalog(list, bare)({ limit: 10 }), ['quay.io/a', 'short/app']);
    assert.deepEqual(shownBeginnings(bare)('team:443/a'), ['team:443/a', 'short/a']);
    assert.deepEqual(shownBeginnings(bare)('team/a'), ['team/a']);
  });

  it('says how names begin there that begin otherwise in rules', () => {
    const begin = shownBeginnings(aliases);
    assert.deepEqual(begin('registry.internal:5000/team/'), [
      'registry.internal:5000/team/',
      'internal/team/',
    ]);
    assert.deepEqual(begin('[::1]:5000/a'), ['[::1]:5000/a', 'aaa/a']);
    assert.deepEqual(begin('quay.io/'), ['quay.io/']);
    assert.deepEqual(begin(''), ['', 'internal/', 'aaa/', 'zzz/']);
  });

  it('leaves out what would be taken for a repository of another registry', async () => {
    const list = stored(['internal/app', 'registry.internal:5000/other']);
    assert.deepEqual(await pullableCatalog(list, aliases)({ limit: 10 }), ['internal/other']);
  });

  it('names each repository so that it is found by it, and in order, whatever is stored', async () => {
    const host = fc.constantFrom('docker.io', 'ghcr.io', 'localhost', ...aliases.values());
    const path = fc.stringMatching(/^[a-z0-9]{1,3}(\/[a-z0-9]{1,3}){1,2}$/);
    const repositories = fc.uniqueArray(fc.tuple(host, path).map((parts) => parts.join('/')));
    await fc.assert(
      fc.asyncProperty(repositories, fc.integer({ min: 1, max: 5 }), async (all, limit) => {
        const seen = await walk(pullableCatalog(stored(all), aliases), limit);
        assert.deepEqual(seen, [...seen].sort());
        const meant = seen.map((name) =>
          targetOf(name, { header: undefined, ns: undefined }, { aliases, defaultNs: undefined }),
        );
        assert.deepEqual([...meant].sort(), [...all].sort());
      }),
    );
  });
});
