import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Catalog } from '#src/http/handlers/call.ts';
import { passingNames } from '#src/http/handlers/passing-names.ts';

const names = Array.from({ length: 2000 }, (_, at) => `docker.io/team/app-${String(at).padStart(4, '0')}`);
const { signal } = new AbortController();

describe('names that somebody may pull', () => {
  it('come in whole pages, however many others lie between', async () => {
    const asked: number[] = [];
    const list: Catalog = async ({ last = '', limit }) => {
      asked.push(limit);
      return names.filter((name) => name > last).slice(0, limit);
    };
    const few = passingNames(list, { beginnings: [''], passes: (name) => name.endsWith('99') }, signal);
    const all = names.filter((name) => name.endsWith('99'));
    assert.deepEqual(await few({ limit: 7 }), all.slice(0, 7));
    assert.deepEqual(await few({ last: all[6], limit: 7 }), all.slice(7, 14));
    assert.deepEqual(await few({ last: all[13], limit: 100 }), all.slice(14));
    assert.deepEqual(await few({ last: '~', limit: 7 }), []);
    assert.ok(
      asked.every((limit) => limit <= 200),
      'bounded',
    );
  });

  it('are looked for where they begin, and nowhere else', async () => {
    let looked = 0;
    const all = [...names, 'apps/web', 'apps/web-2', 'quay.io/a'].sort();
    const list: Catalog = async ({ last = '', limit }) => {
      const found = all.filter((name) => name > last).slice(0, limit);
      looked += found.length;
      return found;
    };
    const few = passingNames(
      list,
      {
        beginnings: ['quay.io/', 'apps/web', 'docker.io/team/app-19', 'docker.io/team/app-199', 'a/b'],
        passes: () => true,
      },
      signal,
    );
    const expected = all.filter((name) => /^(quay\.io\/|apps\/web|docker\.io\/team\/app-19)/.test(name));
    assert.deepEqual(await few({ limit: 1000 }), expected);
    assert.ok(looked <= 5 * 200, `${looked}`);
    assert.deepEqual(await few({ last: 'apps/web', limit: 2 }), expected.slice(1, 3));
    assert.deepEqual(await few({ last: 'docker.io/team/app-1998', limit: 5 }), expected.slice(-2));
  });

  it('are the same as those of the whole list, page by page, wherever they begin', async () => {
    const name = fc.stringMatching(/^[ab]{1,3}(\/[ab]{1,2}){0,2}$/);
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(name, { maxLength: 40 }),
        fc.array(fc.oneof(name, fc.constantFrom('', 'a', 'a/', 'b')), { maxLength: 4 }),
        fc.integer({ min: 1, max: 4 }),
        async (some, beginnings, limit) => {
          const sorted = [...some].sort();
          const list: Catalog = async ({ last = '', limit: most }) =>
            sorted.filter((one) => one > last).slice(0, most);
          const passes = (one: string): boolean =>
            !one.endsWith('b') && beginnings.some((beginning) => one.startsWith(beginning));
          const pages = passingNames(list, { beginnings, passes }, signal);
          const seen: string[] = [];
          for (;;) {
            const page = await pages({ last: seen.at(-1), limit });
            seen.push(...page);
            if (page.length < limit) break;
          }
          assert.deepEqual(seen, sorted.filter(passes));
        },
      ),
    );
  });

  it('are looked for no longer than somebody waits', async () => {
    const waiting = new AbortController();
    let asked = 0;
    const endless: Catalog = async ({ last = '', limit }) => {
      asked += 1;
      if (asked === 3) waiting.abort(new Error('gone'));
      return Array.from({ length: limit }, (_, at) => `${last}${at}`);
    };
    await assert.rejects(
      passingNames(endless, { beginnings: [''], passes: () => false }, waiting.signal)({ limit: 1 }),
      /gone/,
    );
    assert.equal(asked, 3);
  });
});
