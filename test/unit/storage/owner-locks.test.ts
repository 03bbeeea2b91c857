import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { StoringProcess } from '#test/fakes/storing-process.ts';

const nobody = 'f'.repeat(16);

describe('the lock of a process', () => {
  it('tells others that it lives, also in the same process, as long as it is held', async () => {
    await using directory = await temporaryDirectory();
    const [one, other] = [new OwnerLocks(directory.path), new OwnerLocks(directory.path)];
    for (let time = 0; time < 3; time += 1) {
      assert.equal(await one.lifeOf(other.mine), 'alive');
      assert.equal(await other.lifeOf(one.mine), 'alive');
      assert.equal(await one.lifeOf(one.mine), 'alive');
    }
    one[Symbol.dispose]();
    assert.equal(await other.lifeOf(one.mine), 'dead');
    other[Symbol.dispose]();
  });

  it('makes no other file, and takes no byte', async () => {
    await using directory = await temporaryDirectory();
    using owners = new OwnerLocks(directory.path);
    assert.deepEqual(await readdir(directory.path), [`owner.${owners.mine}`]);
    assert.equal(
      execFileSync('stat', ['-c', '%s', join(directory.path, `owner.${owners.mine}`)]).toString(),
      '0\n',
    );
  });

  it('is seen by another process, and gone with that which held it, however it ended', async () => {
    await using directory = await temporaryDirectory();
    using owners = new OwnerLocks(directory.path);
    await using child = new StoringProcess();
    const theirs = String(await child.ask({ kind: 'lock', directory: directory.path }));
    assert.equal(await owners.lifeOf(theirs), 'alive');
    await owners.forget(theirs);
    assert.equal(await owners.lifeOf(theirs), 'alive');
    assert.equal(await child.ask({ kind: 'life', directory: directory.path, owner: owners.mine }), 'alive');
    await child.kill();
    assert.equal(await owners.lifeOf(theirs), 'dead');
    await owners.forget(theirs);
    assert.equal(await owners.lifeOf(theirs), 'unknown');
  });

  it('is held anew where somebody has removed it, by the same id', async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, 'partial');
    await mkdir(path);
    const owners = new OwnerLocks(path);
    await using child = new StoringProcess();
    const lifeToOthers = async () => await child.ask({ kind: 'life', directory: path, owner: owners.mine });
    await rm(path, { recursive: true });
    await owners.renew();
    await mkdir(path);
    assert.equal(await lifeToOthers(), 'unknown');
    await owners.renew();
    await owners.renew();
    assert.equal(await lifeToOthers(), 'alive');
    await owners.forget(owners.mine);
    assert.deepEqual(await readdir(path), []);
    owners[Symbol.dispose]();
  });

  it('is not told where something else lies in its place: nothing waits, and nothing is removed', async () => {
    await using directory = await temporaryDirectory();
    using owners = new OwnerLocks(directory.path);
    const things: Readonly<Record<string, (path: string) => unknown>> = {
      'a pipe': (path) => execFileSync('mkfifo', [path]),
      'a directory': async (path) => await mkdir(path),
      'a file of others': async (path) => await writeFile(path, 'x'.repeat(5000)),
    };
    for (const [what, lay] of Object.entries(things)) {
      const path = join(directory.path, `owner.${nobody}`);
      await lay(path);
      assert.equal(await owners.lifeOf(nobody), 'unknown', what);
      await owners.forget(nobody);
      assert.equal((await readdir(directory.path)).length, 2, what);
      await rm(path, { recursive: true });
    }
    assert.equal(await owners.lifeOf(nobody), 'unknown');
  });

  it('is not lost while others of this process look at it, at theirs and at dead ones', async () => {
    await using directory = await temporaryDirectory();
    const [one, other] = [new OwnerLocks(directory.path), new OwnerLocks(directory.path)];
    const dead = new OwnerLocks(directory.path);
    dead[Symbol.dispose]();
    for (const owners of [one, other]) {
      for (const owner of [one.mine, other.mine, dead.mine]) await owners.lifeOf(owner);
      await owners.forget(dead.mine);
      await owners.renew();
    }
    await using child = new StoringProcess();
    assert.equal(await child.ask({ kind: 'life', directory: directory.path, owner: one.mine }), 'alive');
    assert.equal(await child.ask({ kind: 'life', directory: directory.path, owner: other.mine }), 'alive');
    one[Symbol.dispose]();
    other[Symbol.dispose]();
  });
});
