import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { ProcessTree } from '../../bench/process-tree.ts';

/** A shell that has said so. */
async function shell(script: string): Promise<Disposable & { readonly pid: number }> {
  const child = spawn('/bin/sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  return { pid: child.pid ?? 0, [Symbol.dispose]: () => child.kill('SIGKILL') };
}

describe('a process and whom it has started', () => {
  it('are counted together while they live', async () => {
    // The child ends with the pipe that it reads, which a shell hands to none in the background unless it has another number.
    using parent = await shell('exec 3<&0; cat <&3 & echo; wait');
    using alone = await shell('exec 3<&0; echo; read line');
    const [both, one] = [new ProcessTree(parent.pid), new ProcessTree(alone.pid)];
    // Its pipes are sockets.
    const count = ({ open }: ProcessTree) => open.sockets + open.files;
    assert.equal(count(both), 2 * count(one));
    assert.ok(both.residentMiB > one.residentMiB);
    assert.ok(both.peakMiB >= both.residentMiB);
  });

  it('have used what a child used that has ended', async () => {
    const burn = 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done';
    using parent = await shell(`sh -c '${burn}'; echo; read line`);
    const { user, system } = new ProcessTree(parent.pid).usage;
    assert.ok(user + system > 0);
  });

  it('are nothing when they have ended', async () => {
    const gone = await shell('echo; read line');
    const tree = new ProcessTree(gone.pid);
    assert.ok(tree.residentMiB > 0);
    gone[Symbol.dispose]();
    const end = performance.now() + 10_000;
    while (tree.residentMiB > 0 && performance.now() < end)
      await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual([tree.residentMiB, tree.open], [0, { sockets: 0, files: 0 }]);
  });
});
