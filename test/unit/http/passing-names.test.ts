import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
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
    const few = passingNames(list, (name) => name.endsWith('99'), signal);
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

  it('are looked for no longer than somebody waits', async () => {
    const waiting = new AbortController();
    let asked = 0;
    const endless: Catalog = async ({ last = '', limit }) => {
      asked += 1;
      if (asked === 3) waiting.abort(new Error('gone'));
      return Array.from({ length: limit }, (_, at) => `${last}${at}`);
    };
    await assert.rejects(passingNames(endless, () => false, waiting.signal)({ limit: 1 }), /gone/);
    assert.equal(asked, 3);
  });
});
