import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadText } from '#test/fakes/config-text.ts';

const folder = join(import.meta.dirname, '../../../docs/how-to');
const pages: [name: string, blocks: number][] = [
  ['registry-credentials.md', 9],
  ['docker-hub-limits.md', 3],
  ['proxies-and-mirrors.md', 4],
];

for (const [name, least] of pages) {
  describe(`docs/how-to/${name}`, () => {
    it('shows configurations that are right and do something', async () => {
      const text = await readFile(join(folder, name), 'utf8');
      const blocks = [...text.matchAll(/```yaml\n(.*?)```/gs)].map(([, block = '']) => block);
      assert.ok(blocks.length >= least);
      for (const block of blocks) {
        // Neither files nor variables are there in a test.
        const shown = block.replaceAll(
          /(password|static)(?:File|FromEnv): (?:\S+?)([\s,}])/g,
          '$1FromEnv: SECRET$2',
        );
        const { warnings, config } = await loadText(shown, { env: { SECRET: 'x' } });
        assert.deepEqual(warnings, [], block);
        assert.ok(config.registries.length > 0 || config.upstream.proxy !== undefined);
      }
    });
  });
}
