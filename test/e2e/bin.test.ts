import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { Ociregistry } from './support/ociregistry.ts';
import { needsOutdatedNode, outdated } from './support/outdated-node.ts';
import { Program } from './support/program.ts';
import { isThere, started } from './support/started.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const checkout = join(import.meta.dirname, '../..');

/** A program's line as a user of this number, who has no name and no home. */
function asStranger(id: number): string[] {
  return ['unshare', '--user', `--map-user=${id}`, `--map-group=${id}`, 'env', '-u', 'HOME'];
}

const needsNamespaces = {
  skip: spawnSync('unshare', ['--user', 'true']).status !== 0 && 'the kernel gives no user namespaces',
};

/** A line of bash that becomes the program, whose configuration comes by a pipe from this command. */
function piped(source: string, ...command: string[]): string[] {
  const script = `exec "$0" "$@" --config-file <(${source})`;
  return ['bash', '-c', script, process.execPath, join(checkout, 'src/bin.js'), ...command];
}

/** Of a server whose start reads a pipe that says nothing as long as it runs. */
const hangingStart = piped('exec tail --pid=$$ -f /dev/null 2>/dev/null', 'serve');

async function childrenOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.split(' ').filter(Boolean).map(Number);
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

  it('says that it stops and by which signal at the default log level, as it says that it runs', async () => {
    await using directory = await temporaryDirectory();
    const settings = { imagePath: join(directory.path, 'data'), host: '127.0.0.1', port: 0 };
    const file = join(directory.path, 'config.yaml');
    await writeFile(file, JSON.stringify(settings));
    const line = [join(checkout, 'src/bin.js'), '--config-file', file, 'serve'];
    await using program = new Program(process.execPath, line);
    await program.line(/"msg":"server is running"/);
    assert.equal((await program.stop()).code, 0);
    assert.match(
      program.lines.at(-1) ?? '',
      /"signal":"SIGTERM","msg":"stopping: running downloads may end"/,
    );
  });

  const waiting = /the start waits for the configuration .*, or a secret’s file that it names/;

  it('says what its start waits for, and ends by SIGTERM though a thread of it hangs', async () => {
    const [first = '', ...rest] = hangingStart;
    await using program = new Program(first, rest);
    await program.line(waiting);
    // There is nothing yet that could be opened again.
    assert.ok(program.pid !== undefined && process.kill(program.pid, 'SIGHUP'));
    assert.deepEqual(await program.stop(), { code: null, signal: 'SIGTERM' });
  });

  it('does so as the first process of a container too', needsNamespaces, async () => {
    const container = ['--user', '--map-root-user', '--pid', '--fork', '--kill-child'];
    await using program = new Program('unshare', [...container, ...hangingStart]);
    await program.line(waiting);
    const [first = 0] = await childrenOf(program.pid ?? 0);
    process.kill(first, 'SIGTERM');
    await until('it has ended', async () => !isThere(first));
  });

  it('is silent where nobody reads what it prints any more', () => {
    const script = '"$0" "$@" | { exec <&-; sleep 2; }; exit $PIPESTATUS';
    const line = ['-c', script, process.execPath, join(checkout, 'src/bin.js'), '--help'];
    const { status, stderr } = spawnSync('bash', line, { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });

  it('takes its configuration from a pipe of the shell too', () => {
    const [first = '', ...rest] = piped('echo "host: 127.0.0.1"; echo "port: 65536"', 'check-config');
    const { status, stderr } = spawnSync(first, rest, { encoding: 'utf8' });
    assert.match(stderr, /^\/dev\/fd\/\d+:2:7: port: [^\n]+\n$/);
    assert.equal(status, 1);
  });
});
