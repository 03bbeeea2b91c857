import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { loadText } from '#test/fakes/config-text.ts';

const page = join(import.meta.dirname, '../../../docs/how-to/registry-credentials.md');
const blocks = [...(await readFile(page, 'utf8')).matchAll(/```yaml\n(.*?)```/gs)].map(
  ([, block = '']) => block,
);

describe('docs/how-to/registry-credentials.md', () => {
  it('shows configurations that are right and do something', async () => {
    assert.ok(blocks.length > 8);
    for (const block of blocks) {
      // Files and variables are not there in a test: as literals the keys are the same.
      const text = block.replaceAll(/(password|static)(File|FromEnv): (\S+?)([ ,}])/g, '$1: literal$4');
      const { warnings, config } = await loadText(text);
      assert.deepEqual(warnings, [], block);
      assert.ok(config.registries.length > 0);
    }
  });
});
