import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { temporaryDirectory } from '#test/e2e/support/temporary-directory.ts';
import { grouped } from '#test/setup/groups.ts';

/** Files of tests with these lines each. */
async function written(texts: Readonly<Record<string, string>>) {
  const directory = await temporaryDirectory();
  const files: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    files.push(join(directory.path, name));
    await writeFile(join(directory.path, name), `import { it } from 'node:test';\n${text}\n`);
  }
  return { files, [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose]() };
}

describe('tests that share a process', () => {
  it('are each in one group, but those of which the process is part, which have one of their own', async () => {
    const texts = Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`${at}.mjs`, '']));
    await using tests = await written({ ...texts, 'own.mjs': 'beforeEach(() => {});' });
    using groups = grouped(tests.files);
    const alone = tests.files.at(-1) ?? assert.fail();
    assert.equal(groups.files.length, 4);
    assert.equal(groups.files.at(-1), alone);
    const together = groups.files.filter((file) => file !== alone);
    const all = await Promise.all(together.map(async (file) => await readFile(file, 'utf8')));
    for (const file of tests.files.slice(0, -1))
      assert.equal(all.join('').split(`"${pathToFileURL(file).href}"`).length, 2, file);
  });

  it('run though one of their files cannot be loaded, which is a failure', async () => {
    await using tests = await written({
      'one.mjs': "it('one', () => {});",
      'none.mjs': "import 'no-such-package';",
      'two.mjs': "it('two', () => {});",
    });
    using groups = grouped(tests.files);
    assert.equal(groups.files.length, 1);
    // Else it would tell its results to whoever runs this test.
    const env = { ...process.env, NODE_TEST_CONTEXT: '' };
    const line = ['--test-reporter=tap', groups.files[0] ?? ''];
    const { status, stdout } = spawnSync(process.execPath, line, { encoding: 'utf8', env });
    assert.equal(status, 1);
    const results = stdout.split('\n').filter((text) => /^(not )?ok /.test(text));
    assert.deepEqual(
      results.map((text) => text.replace(/file:.*\//, '')),
      ['ok 1 - one', 'not ok 2 - none.mjs', 'ok 3 - two'],
    );
  });

  it('leave nothing behind', async () => {
    await using tests = await written({ 'one.mjs': '' });
    const groups = grouped(tests.files);
    assert.ok(existsSync(groups.files[0] ?? ''));
    groups[Symbol.dispose]();
    assert.ok(!existsSync(groups.files[0] ?? ''));
  });
});
