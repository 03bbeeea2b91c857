import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, rename, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe, it } from 'node:test';
import { find } from '../setup/components.ts';
import { command } from './support/command.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Program } from './support/program.ts';
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

/** A program's line as a user of this number, who has no name and no home. */
function asStranger(id: number): string[] {
  return ['unshare', '--user', `--map-user=${id}`, `--map-group=${id}`, 'env', '-u', 'HOME'];
}

const needsNamespaces = {
  skip: spawnSync('unshare', ['--user', 'true']).status !== 0 && 'the kernel gives no user namespaces',
};

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

  // So it is in a pod: its image's user is a number, and containerd gives it no name.
  it('serves as a user whom the system does not know', needsNamespaces, async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'config.yaml');
    const registries = ['dockerConfig', 'gcp'].map((provider) => ({
      name: `${provider.toLowerCase()}.invalid`,
      auth: { token: { provider } },
    }));
    const settings = { imagePath: join(directory.path, 'data'), host: '127.0.0.1', port: 0, registries };
    await writeFile(file, JSON.stringify(settings));
    const [first = '', ...rest] = [...asStranger(65_532), process.execPath, join(checkout, 'src/bin.js')];
    await using program = new Program(first, [...rest, '--config-file', file, 'serve']);
    const [, url] = await program.line(/^Listening: (\S+)$/);
    await program.line(/^Running as \(uid:gid\): 65532:65532$/);
    for (const { name } of registries) {
      const answer = await fetch(`${url}/v2/${name}/app/manifests/v1`);
      assert.doesNotMatch(await answer.text(), /internal error/);
    }
    assert.deepEqual(await program.stop(), { code: 0, signal: null });
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
    // Its thread's program is found by its name, and not by an import.
    const reader = join(bin, '../../dist/json-reader.js');
    const program = `const { jsonReader } = await import(${JSON.stringify(reader)});
      const { head } = await jsonReader.read('a', 'tags', Buffer.from('{"tags":["' + 'x'.repeat(100_000) + '"]}'), 1);
      console.log(jsonReader.hasThread, head.entries);`;
    const read = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
    });
    assert.equal(read.stdout, 'true 1\n', read.stderr);
  });
});
