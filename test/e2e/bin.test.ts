import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { find } from '../setup/components.ts';
import { command } from './support/command.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

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

/** What the program says at its start, at any log level. */
async function started(program: Program): Promise<{ url: string; user: string; pid: number }> {
  const { input } = await program.line(/"msg":"server is running"/);
  return JSON.parse(input) as { url: string; user: string; pid: number };
}

function isThere(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The command line of a server whose start reads a file that does not answer: nobody writes to it. */
async function hangingStart(directory: string): Promise<string[]> {
  const cert = join(directory, 'tls.crt');
  execFileSync('mkfifo', [cert]);
  const file = join(directory, 'config.yaml');
  const serverTlsConfig = { cert, key: cert };
  const settings = { imagePath: join(directory, 'data'), host: '127.0.0.1', port: 0, serverTlsConfig };
  await writeFile(file, JSON.stringify(settings));
  return [join(checkout, 'src/bin.js'), '--config-file', file, 'serve'];
}

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Sends the signal to who started the server, which must end by itself then. */
async function endedWith(program: Program, signal: NodeJS.Signals): Promise<void> {
  const { pid, url } = await started(program);
  try {
    assert.equal((await fetch(`${url}/v2/`)).status, 200);
    assert.ok(program.pid !== undefined && process.kill(program.pid, signal));
    await until('the server has ended', async () => !isThere(pid), 10_000);
    await assert.rejects(fetch(`${url}/v2/`));
  } finally {
    if (isThere(pid)) process.kill(pid, 'SIGKILL');
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

/** The names of a process's threads; none where the system does not show them. */
async function threadsOf(pid: number): Promise<string[]> {
  const folder = `/proc/${pid}/task`;
  const names = (await readdir(folder)).map(
    async (thread) => await readFile(join(folder, thread, 'comm'), 'utf8'),
  );
  return (await Promise.all(names)).map((name) => name.trim());
}

describe('the program', () => {
  it('has eight threads for files and names, or as many as the operator says', {
    skip: process.platform !== 'linux',
  }, async () => {
    for (const [env, threads] of [
      [{}, 8],
      [{ UV_THREADPOOL_SIZE: '6' }, 6],
    ] as const) {
      await using server = await Ociregistry.start({ env });
      const names = await threadsOf(server.pid);
      assert.equal(names.filter((name) => name === 'libuv-worker').length, threads);
    }
  });

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
    const { url, user } = await started(program);
    assert.equal(user, '65532:65532');
    for (const { name } of registries) {
      const answer = await fetch(`${url}/v2/${name}/app/manifests/v1`);
      assert.doesNotMatch(await answer.text(), /internal error/);
    }
    assert.deepEqual(await program.stop(), { code: 0, signal: null });
  });

  const launchers: [what: string, command: readonly string[], signal: NodeJS.Signals, skip?: object][] = [
    ['npm start is told to', ['npm', '--prefix', checkout, 'start', '--'], 'SIGTERM'],
    ['npm start is killed', ['npm', '--prefix', checkout, 'start', '--'], 'SIGKILL'],
    ['npx is told to', ['npx', '--prefix', checkout, 'ociregistry', 'serve'], 'SIGTERM'],
    [
      'its launcher is killed',
      [outdated ?? '', join(checkout, 'src/bin.js'), 'serve'],
      'SIGKILL',
      needsOutdatedNode,
    ],
  ];
  for (const [what, before, signal, skip = {}] of launchers)
    it(`ends when ${what}`, skip, async () => {
      await using directory = await temporaryDirectory();
      const data = ['--image-path', join(directory.path, 'data'), '--host', '127.0.0.1', '--port', '0'];
      const [first = '', ...rest] = before;
      await using program = new Program(first, [...rest, ...data]);
      await endedWith(program, signal);
    });

  const byNpx = { npm_lifecycle_event: 'npx', npm_lifecycle_script: "'ociregistry'" };
  const leaving: [what: string, env: Record<string, string>, signal?: NodeJS.Signals][] = [
    ['npx had started', { ...byNpx, npm_lifecycle_script: "'concurrently'" }],
    ['npx gave a line of its user', { ...byNpx, npm_lifecycle_script: 'ociregistry serve &' }],
    ['gave it an empty number', { OCIREGISTRY_LAUNCHER: '' }],
    ['ends with its terminal, below nohup', byNpx, 'SIGHUP'],
  ];
  for (const [what, env, signal] of leaving)
    it(`goes on when a shell leaves that ${what}`, async () => {
      await using directory = await temporaryDirectory();
      const data = ['--image-path', join(directory.path, 'data'), '--host', '127.0.0.1', '--port', '0'];
      const line = [process.execPath, join(checkout, 'src/bin.js'), 'serve', ...data];
      await using program = new Program('sh', ['-c', '"$@" & wait', 'sh', ...line], env);
      const { pid, url } = await started(program);
      try {
        if (signal !== undefined) process.kill(pid, signal);
        assert.ok(program.pid !== undefined && process.kill(program.pid, signal ?? 'SIGKILL'));
        // Who looks whether its parent is there does so every half a second.
        await sleep(1500);
        assert.equal((await fetch(`${url}/v2/`)).status, 200);
      } finally {
        if (isThere(pid)) process.kill(pid, 'SIGTERM');
        await until('the server has ended', async () => !isThere(pid), 10_000);
      }
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

  it('says which library its own Node.js lacks on a bare system', needsOutdatedNode, async () => {
    assert.ok(outdated);
    await using directory = await temporaryDirectory();
    const bin = join(directory.path, 'bin.mjs');
    await cp(join(checkout, 'src/bin.js'), bin);
    const own = join(directory.path, `node_modules/node-linux-${process.arch}/bin/node`);
    await mkdir(dirname(own), { recursive: true });
    await writeFile(own, '#!/bin/sh\nexit 127\n', { mode: 0o755 });
    const { status, stderr } = spawnSync(outdated, [bin, 'version'], { encoding: 'utf8' });
    assert.equal(status, 1);
    assert.match(stderr, /^ociregistry needs Node\.js 24 or newer; .* lacks a library: .*libatomic1"\.\n$/);
  });

  it('is installed by npm under an older Node without a word against it', needsOutdatedNode, async () => {
    assert.ok(outdated);
    await using directory = await temporaryDirectory();
    for (const name of ['package.json', 'package-lock.json', '.npmrc'])
      await cp(join(checkout, name), join(directory.path, name));
    const { status, stderr } = spawnSync('npm', ['ci', '--dry-run', '--offline'], {
      cwd: directory.path,
      encoding: 'utf8',
      env: { ...process.env, PATH: `${dirname(outdated)}${delimiter}${process.env['PATH']}` },
    });
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' });
  });

  const waiting = /the start waits for the files and directories/;

  it('says what its start waits for, and ends by SIGTERM though a thread of it hangs', async () => {
    await using directory = await temporaryDirectory();
    const line = await hangingStart(directory.path);
    await using program = new Program(process.execPath, line);
    await program.line(waiting);
    // There is nothing yet that could be opened again.
    assert.ok(program.pid !== undefined && process.kill(program.pid, 'SIGHUP'));
    assert.deepEqual(await program.stop(), { code: null, signal: 'SIGTERM' });
  });

  it('does so as the first process of a container too', needsNamespaces, async () => {
    await using directory = await temporaryDirectory();
    const line = await hangingStart(directory.path);
    const container = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
    await using program = new Program('unshare', [...container, process.execPath, ...line]);
    await program.line(waiting);
    const [first = 0] = await childrenOf(program.pid ?? 0);
    process.kill(first, 'SIGTERM');
    await until('it has ended', async () => !isThere(first), 10_000);
  });

  const needsTar = { skip: find('tar') === undefined && 'tar is not installed' };
  it('runs as it is installed from its npm package', needsTar, async () => {
    await using directory = await temporaryDirectory();
    const bin = await installPackage(directory.path);
    const { status, stderr } = spawnSync(outdated ?? process.execPath, [bin, 'version'], {
      encoding: 'utf8',
    });
    assert.match(stderr, /^ociregistry version: \d+\.\d+\.\d+ build date: \d{4}-\d\d-\d\dT[\d:]{8}Z\n$/);
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
