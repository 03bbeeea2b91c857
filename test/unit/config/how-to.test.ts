import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadText } from '#test/fakes/config-text.ts';

const pages: [page: string, blocks: number][] = [
  ['registry-credentials.md', 9],
  ['proxies-and-mirrors.md', 4],
];

async function blocksOf(page: string): Promise<string[]> {
  const text = await readFile(join(import.meta.dirname, '../../../docs/how-to', page), 'utf8');
  return [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = '']) => block);
}

for (const [page, least] of pages) {
  describe(`docs/how-to/${page}`, () => {
    it('shows configurations that are right and do something', async () => {
      const blocks = await blocksOf(page);
      assert.ok(blocks.length >= least);
      for (const block of blocks) {
        // Files and variables are not there in a test: as literals the keys are the same.
        const text = block.replaceAll(/(password|static)(File|FromEnv): (\S+?)([ ,}])/g, '$1: literal$4');
        const { warnings, config } = await loadText(text);
        assert.deepEqual(warnings, [], block);
        assert.ok(config.registries.length > 0 || config.upstream.proxy !== undefined);
      }
    });
  });
}
