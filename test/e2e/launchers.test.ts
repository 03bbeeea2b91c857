import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { needsOutdatedNode, outdated } from './support/outdated-node.ts';
import { Program } from './support/program.ts';
import { isThere, started } from './support/started.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const checkout = join(import.meta.dirname, '../..');

/** Sends the signal to who started the server, which must end by itself then. */
async function endedWith(program: Program, signal: NodeJS.Signals): Promise<void> {
  const { pid, url } = await started(program);
  try {
    assert.equal((await fetch(`${url}/v2/`)).status, 200);
    assert.ok(program.pid !== undefined && process.kill(program.pid, signal));
    await until('the server has ended', async () => !isThere(pid));
    await assert.rejects(fetch(`${url}/v2/`));
  } finally {
    if (isThere(pid)) process.kill(pid, 'SIGKILL');
  }
}

// Each waits for others more than it works.
describe('the program', { concurrency: 4 }, () => {
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
        await until('the server has ended', async () => !isThere(pid));
      }
    });
});
