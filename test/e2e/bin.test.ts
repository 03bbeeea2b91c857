import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, rename, symlink } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { find } from '../setup/components.ts';
import { command } from './support/command.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const checkout = join(import.meta.dirname, '../..');
const outdated = findOutdatedNode();
const needsOutdatedNode = { skip: outdated === undefined ? 'no Node.js older than 24 is installed' : false };

/** The path of a Node that is too old to run the program itself. */
function findOutdatedNode(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.map((folder) => join(folder, 'node')).find(isOutdated);
}

function isOutdated(node: string): boolean {
  try {
    const version = execFileSync(node, ['--print', 'process.versions.node'], { encoding: 'utf8' });
    return Number.parseInt(version, 10) < 24;
  } catch {
    return false;
  }
}

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
  it('serves under an older Node, and ends as it is told', needsOutdatedNode, async () => {
    assert.ok(outdated);
    await using server = await Ociregistry.start({ node: outdated });
    assert.equal((await fetch(`${server.url}/v2/`)).status, 200);
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null });
  });

  it('says in one line that it needs a newer Node where none came with it', needsOutdatedNode, async () => {
    assert.ok(outdated);
    await using directory = await temporaryDirectory();
    const bin = join(directory.path, 'bin.mjs');
    await cp(join(checkout, 'src/bin.js'), bin);
    const { status, stderr } = spawnSync(outdated, [bin, 'version'], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^ociregistry needs Node\.js 24 or newer; this is v.*, and the package .*\n$/);
  });

  const needsTar = { skip: find('tar') === undefined && 'tar is not installed' };
  it('runs as it is installed from its npm package', needsTar, async () => {
    await using directory = await temporaryDirectory();
    const bin = await installPackage(directory.path);
    const { status, stderr } = spawnSync(outdated ?? process.execPath, [bin, 'version'], {
      encoding: 'utf8',
    });
    assert.match(stderr, /^ociregistry version: \d+\.\d+\.\d+ .*\n$/);
    assert.equal(status, 0);
  });
});
