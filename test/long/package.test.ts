import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readdir, rename, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from '../e2e/support/command.ts';
import { outdated } from '../e2e/support/outdated-node.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { find } from '../setup/components.ts';

const checkout = join(import.meta.dirname, '../..');

/** Unpacks the npm package as an installation has it: below `node_modules`, beside what it depends on. */
async function installPackage(directory: string): Promise<string> {
  await command('npm', ['run', 'package', '--prefix', checkout, '--', '--pack-destination', directory]);
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.tgz'));
  assert.ok(tarball);
  const modules = join(directory, 'node_modules');
  await mkdir(modules);
  await command('tar', ['-xzf', join(directory, tarball), '-C', modules]);
  await rename(join(modules, 'package'), join(modules, 'ociregistry'));
  for (const name of await readdir(join(checkout, 'node_modules')))
    await symlink(join(checkout, 'node_modules', name), join(modules, name));
  return join(modules, 'ociregistry/src/bin.js');
}

describe('the program', () => {
  const needsTar = { skip: find('tar') === undefined && 'tar is not installed' };
  it('runs as it is installed from its npm package', needsTar, async () => {
    await using directory = await temporaryDirectory();
    const bin = await installPackage(directory.path);
    const { status, stdout } = spawnSync(outdated ?? process.execPath, [bin, 'version'], {
      encoding: 'utf8',
    });
    assert.match(stdout, /^ociregistry version: \d+\.\d+\.\d+ build date: \d{4}-\d\d-\d\dT[\d:]{8}Z\n$/);
    assert.equal(status, 0);
    // Its thread's program is found by its name, and not by an import.
    const reader = join(bin, '../../dist/json/json-reader.js');
    const program = `const { jsonReader } = await import(${JSON.stringify(reader)});
      const { head } = await jsonReader.read('a', 'tags', Buffer.from('{"tags":["' + 'x'.repeat(100_000) + '"]}'), 1);
      console.log(jsonReader.hasThread, head.entries);`;
    const read = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    assert.equal(read.stdout, 'true 1\n', read.stderr);
  });
});
