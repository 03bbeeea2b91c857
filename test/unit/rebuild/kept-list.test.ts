import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  hasUnknownSizes,
  keepNameList,
  keptNameList,
  listIsKnown,
  sizesAreKnown,
} from '#src/rebuild/kept-list.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

describe('the list of names that an index is made anew from', () => {
  it('stays as it is while a new one is written, until all of it is known and then all sizes are', async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const write = async (text: string): Promise<void> => {
      await writeFile(join(path, 'new'), text);
      await rename(join(path, 'new'), join(path, 'index.json'));
    };
    await keepNameList(path);
    assert.equal(await keptNameList(path), undefined);
    await write('first');
    await keepNameList(path);
    await write('second');
    await keepNameList(path);
    const kept = (await keptNameList(path)) ?? assert.fail();
    assert.equal(await readFile(kept, 'utf8'), 'first');
    assert.equal(await hasUnknownSizes(path), false);
    await listIsKnown(path);
    assert.deepEqual([await keptNameList(path), await hasUnknownSizes(path)], [undefined, true]);
    await sizesAreKnown(path);
    assert.deepEqual(await readdir(path), ['index.json']);
  });

  const others: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    'a pipe': async (path) => execFileSync('mkfifo', [path]),
    'a directory': async (path) => await mkdir(path),
  };
  for (const [what, lay] of Object.entries(others)) {
    it(`is none of what else lies in its place, or where it is kept: ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const { path } = directory;
      await lay(join(path, 'index.json'));
      await keepNameList(path);
      assert.deepEqual(await readdir(path), ['index.json']);
      await lay(join(path, 'rebuild.json'));
      await lay(join(path, 'rebuilt.json'));
      assert.deepEqual([await keptNameList(path), await hasUnknownSizes(path)], [undefined, false]);
    });
  }
});
