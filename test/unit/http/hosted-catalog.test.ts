import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Catalog } from '#src/http/handlers/call.ts';
import { withHosted, withoutHosted } from '#src/http/hosted-catalog.ts';

const names = [
  'docker.io/library/alpine',
  'ghcr.io/a/b',
  'hosted.invalid/apps/web',
  'hosted.invalid/test',
  'hosted.invalid/zoo',
  'quay.io/x/y',
];
const stored: Catalog = async ({ last = '', limit }) => names.filter((name) => name > last).slice(0, limit);

async function walked(catalog: Catalog, limit: number): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const page = await catalog({ last: all.at(-1), limit });
    all.push(...page);
    if (page.length < limit) return all;
  }
}

describe('the catalogue with what lives here', () => {
  it('has it by its own names, in one order with all else, in pages of any size', async () => {
    const shown = ['apps/web', 'docker.io/library/alpine', 'ghcr.io/a/b', 'quay.io/x/y', 'test', 'zoo'];
    for (const limit of [1, 2, 3, 10])
      assert.deepEqual(await walked(withHosted(stored, withoutHosted(stored)), limit), shown);
  });

  it('has what is cached without it, in pages of any size', async () => {
    for (const limit of [1, 2, 3, 10])
      assert.deepEqual(await walked(withoutHosted(stored), limit), [
        'docker.io/library/alpine',
        'ghcr.io/a/b',
        'quay.io/x/y',
      ]);
  });
});
