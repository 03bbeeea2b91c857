import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pages } from '#src/reference/pages.ts';

const root = resolve(import.meta.dirname, '../../..');

describe('the reference', () => {
  for (const [path, text] of Object.entries(pages)) {
    it(`has ${path} as \`npm run docs\` writes it`, async () => {
      assert.equal(await readFile(resolve(root, path), 'utf8'), text());
    });
  }

  it('says what each key takes in words of ours', () => {
    const text = pages['docs/reference/configuration.md']?.() ?? '';
    assert.match(text, /\| `port` \| a whole number from 0 to 65535 \| `8080` \| Port to listen on/);
    assert.match(text, /\| `drainTimeout` \| a duration such as [^|]* \| `60s` \|/);
    assert.match(text, /\| `passwordFile` \| text \|/);
    assert.doesNotMatch(text, /Invalid|undefined|not nothing|must be/);
  });
});

describe('the documents', () => {
  it('link to files that are there', async () => {
    const broken: string[] = [];
    for await (const file of glob(['*.md', 'docs/**/*.md'], { cwd: root })) {
      const text = await readFile(resolve(root, file), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const path = resolve(root, file, '..', target);
        if ((await Array.fromAsync(glob(path))).length === 0) broken.push(`${file}: ${target}`);
      }
    }
    assert.deepEqual(broken, []);
  });
});
