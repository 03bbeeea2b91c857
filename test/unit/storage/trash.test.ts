import assert from 'node:assert/strict';
import { link, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { Trash } from '#src/storage/file/trash.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const digest = sha256(Buffer.from('blob'));

/** A store's directory with one blob in it. */
async function stored() {
  const directory = await temporaryDirectory();
  const blobs = join(directory.path, 'blobs', 'sha256');
  await mkdir(blobs, { recursive: true });
  const blob = join(blobs, digest.slice('sha256:'.length));
  const put = async (text = 'blob') => await writeFile(blob, text);
  await put();
  const names = async () => await readdir(join(directory.path, 'trash')).catch(() => []);
  return {
    path: directory.path,
    blob,
    put,
    names,
    trash: new Trash(directory.path),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

const later = (): number => Date.now() + 60_000;

describe('the trash', () => {
  it('takes a file out of the way, and removes it when it is told to', async () => {
    await using made = await stored();
    const { trash } = made;
    assert.deepEqual(await trash.list(10), []);
    assert.equal(await trash.has(digest), false);
    assert.equal(trash.take(digest, later()), 'taken');
    assert.equal(trash.take(digest, later()), 'absent');
    await assert.rejects(readFile(made.blob), /ENOENT/);
    const [file] = await trash.list(10);
    assert.equal(file?.digest, digest);
    assert.deepEqual([await trash.has(digest), await trash.has(sha256(Buffer.from('other')))], [true, false]);
    assert.equal(await trash.remove(file), true);
    assert.deepEqual(await made.names(), []);
  });

  it('leaves what has just come, whenever it was written', async () => {
    await using made = await stored();
    await utimes(made.blob, new Date(0), new Date(0));
    assert.equal(made.trash.take(digest, Date.now() - 60_000), 'left');
    assert.equal(await readFile(made.blob, 'utf8'), 'blob');
  });

  const others: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    'a file': async (path) => await writeFile(path, 'text'),
    'a link to itself': async (path) => await symlink(path, path),
  };
  for (const [what, lay] of Object.entries(others)) {
    it(`takes its place back from what lies there instead, which is kept: ${what}`, async () => {
      await using made = await stored();
      await lay(join(made.path, 'trash'));
      assert.deepEqual(await made.trash.list(10), []);
      assert.equal(made.trash.take(digest, later()), 'taken');
      assert.equal((await made.trash.list(10)).length, 1);
      const names = await readdir(made.path);
      assert.equal(names.filter((name) => /^trash\.aside-[0-9a-f]{8}$/.test(name)).length, 1);
    });
  }

  it('leaves what is no file', async () => {
    await using made = await stored();
    await rm(made.blob);
    await mkdir(made.blob);
    assert.equal(made.trash.take(digest, later()), 'left');
  });

  it('puts back what it took, also what another process has taken, and nothing over what came since', async () => {
    await using made = await stored();
    assert.equal(made.trash.take(digest, later()), 'taken');
    const another = new Trash(made.path);
    await another.list(10);
    another.restore(digest);
    assert.equal(await readFile(made.blob, 'utf8'), 'blob');
    assert.equal(made.trash.take(digest, later()), 'taken');
    await made.put('newer');
    made.trash.restore(digest);
    assert.equal(await readFile(made.blob, 'utf8'), 'newer');
    assert.equal((await made.names()).length, 1);
  });

  it('touches nothing that it has not made', async () => {
    await using made = await stored();
    await mkdir(join(made.path, 'trash'));
    await writeFile(join(made.path, 'trash', 'notes.txt'), 'mine');
    assert.deepEqual(await made.trash.list(10), []);
  });

  it('says what the file system would have back with a file: nothing of one that has another name', async () => {
    await using made = await stored();
    assert.equal(await made.trash.frees(digest), 4);
    const other = join(made.path, 'other');
    await link(made.blob, other);
    assert.equal(await made.trash.frees(digest), 0);
    await rm(other);
    assert.equal(await made.trash.frees(digest), 4);
    await rm(made.blob);
    assert.equal(await made.trash.frees(digest), 0);
  });
});
