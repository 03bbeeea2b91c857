import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { blocksOf } from '#test/docs/attribution.ts';
import { placeOf } from '#test/docs/block.ts';
import { loadText } from '#test/fakes/config-text.ts';

const blocks = await blocksOf('configuration');

/** Neither files nor variables are there in a test. */
function withoutFiles(text: string): string {
  return text.replaceAll(
    /(password|static|token|secret|url)(?:File|FromEnv): (?:\S+?)([\s,}])/g,
    '$1FromEnv: SECRET$2',
  );
}

describe('a configuration that a page shows', () => {
  it('is one of many', () => assert.ok(blocks.length >= 17));

  for (const block of blocks) {
    it(`is right, warns of nothing and does something: ${placeOf(block)}`, async () => {
      const { config, warnings } = await loadText(withoutFiles(block.text), {
        env: { SECRET: 'as-long-as-it-should-be' },
      });
      assert.deepEqual(warnings, []);
      assert.notDeepEqual(config, (await loadText('')).config);
    });
  }
});
