import assert from 'node:assert/strict';
import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { type FileSystem, nodeFileSystem } from '#src/storage/file/file-system.ts';
import type { Spool } from '#src/storage/spool-store.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const id = 'a'.repeat(32);
const owners = (partial: string) => new OwnerLocks(partial);

async function stored(directory: string, files = nodeFileSystem): Promise<FileBlobStore> {
  return await FileBlobStore.open({ directory, owners, files });
}

/** The same, where something else happens before and behind its first look at all uploads. */
async function interrupted(
  directory: string,
  before: () => Promise<unknown>,
  behind: () => Promise<unknown>,
): Promise<FileBlobStore> {
  let isFirst = true;
  const opendir: FileSystem['opendir'] = async (path) => {
    if (!path.endsWith('/uploads') || !isArmed || !isFirst) return await nodeFileSystem.opendir(path);
    isFirst = false;
    await before();
    const names = await readdir(path);
    await behind();
    return (async function* () {
      for (const name of names) yield { name };
    })();
  };
  let isArmed = false;
  const store = await FileBlobStore.open({ directory, owners, files: { ...nodeFileSystem, opendir } });
  isArmed = true;
  return store;
}

describe('an upload of two processes', () => {
  it('is open in one of them, and goes on in the other', async () => {
    await using directory = await temporaryDirectory();
    await using one = await stored(directory.path);
    await using other = await stored(directory.path);
    {
      await using spool = await one.uploads.open(id);
      await spool?.write(0, Buffer.from('first'));
      assert.equal(await other.uploads.open(id), undefined);
      assert.equal((await other.uploads.stat(id))?.size, 5);
    }
    await using spool = await other.uploads.open(id);
    assert.equal(spool?.ranges.endFrom(0), 5);
    assert.equal(await one.uploads.open(id), undefined);
  });

  it('loses nothing where one lets go of it and takes it again while the other looks for it', async () => {
    await using directory = await temporaryDirectory();
    await using one = await stored(directory.path);
    let spool = await one.uploads.open(id);
    const close = async () => await spool?.[Symbol.asyncDispose]();
    await spool?.write(0, Buffer.from('first'));
    await using other = await interrupted(
      directory.path,
      close,
      async () => (spool = await one.uploads.open(id)),
    );
    await using open = new AsyncDisposableStack();
    open.defer(close);
    assert.equal(open.use(await other.uploads.open(id)), undefined);
    assert.equal(spool?.ranges.endFrom(0), 5);
    await close();
    assert.equal((await other.uploads.stat(id))?.size, 5);
    assert.deepEqual(await readdir(join(directory.path, 'uploads')), [id]);
  });

  it('has all that came, also for who asks while the other lets go of it', async () => {
    await using directory = await temporaryDirectory();
    await using one = await stored(directory.path);
    const spool = await one.uploads.open(id);
    await spool?.write(0, Buffer.from('first'));
    await using other = await interrupted(
      directory.path,
      async () => await spool?.[Symbol.asyncDispose](),
      async () => undefined,
    );
    assert.equal((await other.uploads.stat(id))?.size, 5);
  });

  it('of which there is no file is begun by one of them', async () => {
    await using directory = await temporaryDirectory();
    await mkdir(join(directory.path, 'uploads'));
    await using one = await stored(directory.path);
    let spool: Spool | undefined;
    const begin = async (): Promise<void> => {
      spool = await one.uploads.open(id);
      await spool?.write(0, Buffer.from('first'));
    };
    await using other = await interrupted(directory.path, async () => undefined, begin);
    await using open = new AsyncDisposableStack();
    open.defer(async () => await spool?.[Symbol.asyncDispose]());
    assert.equal(open.use(await other.uploads.open(id)), undefined);
    assert.equal((await other.uploads.stat(id))?.size, 5);
    await open.disposeAsync();
    await using again = await other.uploads.open(id);
    assert.equal(again?.ranges.endFrom(0), 5);
  });

  it('that one could not give back waits for it there', async () => {
    await using directory = await temporaryDirectory();
    let isStuck = false;
    const move: typeof rename = async (from, to) => {
      if (isStuck) throw Object.assign(new Error('it stumbles'), { code: 'EIO' });
      await rename(from, to);
    };
    await using one = await stored(directory.path, { ...nodeFileSystem, rename: move });
    await using other = await stored(directory.path);
    const spool = await one.uploads.open(id);
    await spool?.write(0, Buffer.from('first'));
    isStuck = true;
    await spool?.[Symbol.asyncDispose]();
    isStuck = false;
    await using wrong = await other.uploads.open(id);
    assert.equal(wrong, undefined);
    await using again = await one.uploads.open(id);
    assert.equal(again?.ranges.endFrom(0), 5);
  });

  it('of which one has ended, however it did, goes on in the next', async () => {
    await using directory = await temporaryDirectory();
    const uploads = join(directory.path, 'uploads');
    let dead = '';
    {
      await using one = await stored(directory.path);
      await using spool = await one.uploads.open(id);
      await spool?.write(0, Buffer.from('first'));
      dead = (await readdir(uploads))[0] ?? '';
    }
    assert.match(dead, /^a{32}\.[0-9a-f]{16}$/);
    // As a killed process leaves it: open, and its lock with nobody.
    await rename(join(uploads, id), join(uploads, dead));
    await writeFile(join(directory.path, 'partial', `owner.${dead.split('.')[1]}`), '');
    await using next = await stored(directory.path);
    assert.deepEqual(await readdir(uploads), [id]);
    await using spool = await next.uploads.open(id);
    assert.equal(spool?.ranges.endFrom(0), 5);
  });

  it('whose process nobody can tell is left alone until nothing has come for ten minutes', async () => {
    await using directory = await temporaryDirectory();
    const uploads = join(directory.path, 'uploads');
    await mkdir(uploads, { recursive: true });
    const held = join(uploads, `${id}.${'b'.repeat(16)}`);
    await writeFile(held, 'first');
    await using store = await stored(directory.path);
    assert.equal(await store.uploads.open(id), undefined);
    const longAgo = new Date(Date.now() - 11 * 60_000);
    await utimes(held, longAgo, longAgo);
    await using spool = await store.uploads.open(id);
    assert.equal(spool?.ranges.endFrom(0), 5);
  });
});
