import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { root } from '#test/docs/block.ts';

/** As GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const headings = text.matchAll(/^#+ (.+)$/gm).map(([, heading = '']) => heading.toLowerCase());
  return new Set(
    headings.map((heading) => heading.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')),
  );
}

describe('every link of README and docs', () => {
  it('leads to a file, and to a heading of it, that is there', async () => {
    const lost: string[] = [];
    for await (const page of glob(['*.md', 'docs/**/*.md'], { cwd: root })) {
      const text = await readFile(join(root, page), 'utf8');
      for (const [, path = '', anchor] of text.matchAll(/\]\((?!\w+:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
        const file = path === '' ? join(root, page) : join(root, dirname(page), path);
        const isThere =
          existsSync(file) && (anchor === undefined || anchorsOf(await readFile(file, 'utf8')).has(anchor));
        if (!isThere) lost.push(`${page}: ${path}#${anchor}`);
      }
    }
    assert.deepEqual(lost, []);
  });
});
