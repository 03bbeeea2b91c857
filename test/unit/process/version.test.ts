import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { readVersion } from '#src/process/version.ts';
import { temporaryDirectory } from '../../e2e/support/temporary-directory.ts';

/** An installed program, as far as its version goes. */
async function program(files: Readonly<Record<string, string>> = {}) {
  const directory = await temporaryDirectory();
  const at = (name: string) => join(directory.path, name);
  await mkdir(at('src'));
  const all = { 'package.json': '{"version":"1.2.3"}', ...files };
  for (const [name, text] of Object.entries(all)) await writeFile(at(name), text);
  return {
    folder: pathToFileURL(`${at('src')}/`),
    git(...args: string[]) {
      const date = '2026-11-28T09:45:20+02:00';
      const env = { ...process.env, GIT_COMMITTER_DATE: date, GIT_AUTHOR_DATE: date };
      execFileSync(
        'git',
        ['-C', directory.path, '-c', 'user.name=a', '-c', 'user.email=a@b.invalid', ...args],
        { env },
      );
    },
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

describe('the version', () => {
  it('is that of package.json', async () => {
    const { version } = JSON.parse(
      await readFile(resolve(import.meta.dirname, '../../../package.json'), 'utf8'),
    );
    assert.equal(readVersion().version, version);
  });

  it('has the date that the build wrote', async () => {
    await using made = await program({ 'src/build-date': '2026-11-25T00:00:00Z\n' });
    const { version, buildDate } = readVersion(made.folder);
    assert.deepEqual({ version, buildDate }, { version: '1.2.3', buildDate: '2026-11-25T00:00:00Z' });
  });

  it('has in a checkout the date of its commit, in UTC', async () => {
    await using made = await program();
    made.git('init', '--quiet');
    made.git('commit', '--quiet', '--allow-empty', '--message=one');
    assert.equal(readVersion(made.folder).buildDate, '2026-11-28T07:45:20Z');
  });

  it('has no date where nobody says one', async () => {
    await using made = await program();
    assert.equal(readVersion(made.folder).buildDate, 'unknown');
    made.git('init', '--quiet');
    assert.equal(readVersion(made.folder).buildDate, 'unknown');
  });
});
