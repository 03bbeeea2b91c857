import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { kindOf } from '#test/docs/attribution.ts';
import { allBlocks, blocksIn, placeOf } from '#test/docs/block.ts';

describe('every block of README and docs', () => {
  it('is loaded by somebody: test/docs/attribution.ts says by whom', async () => {
    const blocks = await allBlocks();
    assert.ok(blocks.length > 40);
    assert.deepEqual(blocks.filter((block) => kindOf(block) === undefined).map(placeOf), []);
  });

  it('is found, also in a list', () => {
    const text =
      '# a\n\n```sh\nls\n```\n\n## b\n\n1. c\n\n   ```yaml\n   c:\n     d: e\n   ```\n\n```\nf\n```\n';
    assert.deepEqual(blocksIn('p.md', text), [
      { page: 'p.md', line: 4, section: 'a', language: 'sh', text: 'ls\n' },
      { page: 'p.md', line: 12, section: 'b', language: 'yaml', text: 'c:\n  d: e\n' },
      { page: 'p.md', line: 17, section: 'b', language: '', text: 'f\n' },
    ]);
  });

  it('of which nobody has heard is seen', () => {
    assert.equal(kindOf({ page: 'p.md', line: 1, section: '', language: 'toml', text: '[a]\n' }), undefined);
    assert.equal(kindOf({ page: 'p.md', line: 1, section: '', language: '', text: 'done\n' }), undefined);
  });
});
