import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LaterText } from '#src/cli/later-text.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

/** Some of them are longer than a piece, and some end within a character of several bytes. */
const texts = Array.from({ length: 300 }, (_, at) => `${at} ${'ä€'.repeat(at * 7)}\n`);

async function readBack(directory: string): Promise<string> {
  await using text = await LaterText.open(directory);
  for (const each of texts) await text.add(each);
  let all = '';
  for await (const piece of text.read()) all += piece;
  return all;
}

describe('text that is said last', () => {
  it('is said as it was, and no file has its name while it waits', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(await readBack(directory.path), texts.join(''));
    await using _ = await LaterText.open(directory.path);
    assert.deepEqual(await readdir(directory.path), []);
  });

  it('waits in memory where no file can be written', async () => {
    await using directory = await temporaryDirectory();
    assert.equal(await readBack(join(directory.path, 'none')), texts.join(''));
  });
});
