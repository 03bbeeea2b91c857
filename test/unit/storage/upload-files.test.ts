import assert from 'node:assert/strict';
import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { type FileSystem, nodeFileSystem } from '#src/storage/file/file-system.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const id = 'a'.repeat(32);
const owners = (partial: string) => new OwnerLocks(partial);

async function stored(directory: string, files = nodeFileSystem): Promise<FileBlobStore> {
  return await FileBlobStore.open({ directory, owners, files });
}

/** What happens around the next look at which names there are. */
interface NextLook {
  before?: (() => Promise<void>) | undefined;
  after?: (() => Promise<void>) | undefined;
}

function lookedAt(next: NextLook): FileSystem {
  const opendir = async (path: string) => {
    const { before, after } = next;
    [next.before, next.after] = [undefined, undefined];
    await before?.();
    const entries = await Array.fromAsync(await nodeFileSystem.opendir(path));
    await after?.();
    return (async function* () {
      yield* entries;
    })();
  };
  return { ...nodeFileSystem, opendir };
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

  it('is never two, though the other gives it back and takes it while this one looks who has it', async () => {
    await using directory = await temporaryDirectory();
    const next: NextLook = {};
    await using one = await stored(directory.path, lookedAt(next));
    await using other = await stored(directory.path);
    await using opened = new AsyncDisposableStack();
    const opening = async (store: FileBlobStore) => opened.use(await store.uploads.open(id));
    const first = await opening(other);
    await first?.write(0, Buffer.from('first'));
    next.before = async () => await first?.[Symbol.asyncDispose]();
    next.after = async () => {
      await opening(other);
    };
    assert.equal(await opening(one), undefined);
    assert.equal((await readdir(join(directory.path, 'uploads'))).length, 1);
    await opened.disposeAsync();
    assert.equal((await one.uploads.stat(id))?.size, 5);
  });

  it('has what it has, though the other gives it back while this one looks for it', async () => {
    await using directory = await temporaryDirectory();
    const next: NextLook = {};
    await using one = await stored(directory.path, lookedAt(next));
    await using other = await stored(directory.path);
    const spool = await other.uploads.open(id);
    await spool?.write(0, Buffer.from('first'));
    next.before = async () => await spool?.[Symbol.asyncDispose]();
    assert.equal((await one.uploads.stat(id))?.size, 5);
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
