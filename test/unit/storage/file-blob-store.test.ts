import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DigestHasher, hexOf, sha256, type VerifiedBlob } from '#src/oci/digest.ts';
import { parseDigest } from '#src/oci/reference.ts';
import { BlobUnreadableError, StoreFullError, WrongBytesError } from '#src/storage/content-store.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { type FileSystem, nodeFileSystem } from '#src/storage/file/file-system.ts';
import { PartialSweep } from '#src/storage/file/partial-files.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';
import { failure, ScriptedFiles } from '#test/fakes/scripted-files.ts';

const digest = parseDigest(`sha256:${'0'.repeat(64)}`);
const content = Buffer.from(bytes(10_000));

async function openedStore() {
  const directory = await temporaryDirectory();
  const path = join(directory.path, 'v1');
  const store = await FileBlobStore.open({ directory: path });
  return {
    store,
    directory: path,
    blob: join(path, 'blobs/sha256', hexOf(sha256(content))),
    partial: join(path, 'partial'),
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

async function put(store: FileBlobStore): Promise<void> {
  const hasher = new DigestHasher(sha256(content));
  hasher.update(content);
  await using spool = await store.begin();
  await spool.write(0, content);
  await store.put(spool, hasher.verify());
}

async function assertStored(store: FileBlobStore): Promise<void> {
  await using blob = await store.open(sha256(content));
  assert.ok(blob);
  assert.ok((await collect(blob.read())).equals(content));
}

describe('a blob to whose file somebody writes who should not', () => {
  const flip = async (path: string): Promise<void> => {
    await using file = await open(path, 'r+');
    await file.write('x', 500);
  };
  const verified = (): VerifiedBlob => {
    const hasher = new DigestHasher(sha256(content));
    hasher.update(content);
    return hasher.verify();
  };

  it('is not read to its end by who follows it, once all of it was here', async () => {
    await using it = await openedStore();
    await using spool = await it.store.begin();
    await spool.write(0, content);
    assert.ok((await it.store.put(spool, verified())).stamp);
    assert.ok((await collect(spool.read({ first: 0, last: content.length - 1 }))).equals(content));
    await sleep(20);
    await flip(it.blob);
    for (const first of [0, 9000])
      await assert.rejects(collect(spool.read({ first, last: content.length - 1 })), WrongBytesError);
  });

  it('is hashed when it is first read, where that was before it had its name, or was known by it', async () => {
    const moments: readonly FileSystem['rename'][] = [
      async (from, to) => {
        await flip(from);
        await nodeFileSystem.rename(from, to);
      },
      async (from, to) => {
        await nodeFileSystem.rename(from, to);
        await flip(to);
      },
    ];
    for (const renamed of moments) {
      await using directory = await temporaryDirectory();
      const files: FileSystem = {
        ...nodeFileSystem,
        rename: async (from, to) => {
          // What the kernel's clock cannot tell apart it need not.
          await sleep(20);
          await renamed(from, to);
        },
      };
      await using store = await FileBlobStore.open({ directory: directory.path, files });
      await using spool = await store.begin();
      await spool.write(0, content);
      assert.equal((await store.put(spool, verified())).stamp, undefined);
    }
  });
});

describe('the blobs that are written at a time', () => {
  it('are no more than there are files for: what comes then is told what the system tells, until one is done', async () => {
    const store = await FileBlobStore.open({ directory: '/v1', files: new ScriptedFiles(), maxWriters: 1 });
    const first = await store.begin();
    await assert.rejects(store.begin(), { code: 'EMFILE' });
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    await using _second = await store.begin();
    await assert.rejects(store.begin(), { code: 'EMFILE' });
  });

  it('are not counted where they could not be begun', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files, maxWriters: 1 });
    files.script = (call) => {
      if (call.startsWith('open')) throw failure('ENOSPC');
    };
    for (let time = 0; time < 2; time += 1) await assert.rejects(store.begin(), StoreFullError);
  });
});

describe('a blob file that cannot be examined', () => {
  it('is not left open', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files });
    const path = `/v1/blobs/sha256/${'0'.repeat(64)}`;
    await files.open(path, 'wx+');
    files.calls.length = 0;
    files.script = (call) => {
      if (call.startsWith('fstat')) throw failure('EMFILE');
    };
    await assert.rejects(store.open(digest), { code: 'EMFILE' });
    assert.deepEqual(files.calls, [`open ${path}`, `fstat ${path}`, `close ${path}`]);
  });

  it('is this blob’s fault where the system says so, and none where it says that we have no file left', async () => {
    const files = new ScriptedFiles();
    const store = await FileBlobStore.open({ directory: '/v1', files });
    const path = `/v1/blobs/sha256/${'0'.repeat(64)}`;
    await files.open(path, 'wx+');
    for (const code of ['EACCES', 'EPERM', 'EIO', 'ESTALE', 'ELOOP']) {
      files.script = () => {
        throw failure(code);
      };
      await assert.rejects(store.open(digest), BlobUnreadableError, code);
    }
    files.script = () => {
      throw failure('EMFILE');
    };
    await assert.rejects(store.open(digest), { code: 'EMFILE' });
  });
});

describe('what lies in the place of a blob', () => {
  const things: Readonly<Record<string, (path: string) => Promise<unknown> | unknown>> = {
    'an empty directory': async (path) => await mkdir(path),
    'a directory with something in it': async (path) => {
      await mkdir(path);
      await writeFile(join(path, 'x'), 'y');
    },
    'a pipe that nobody writes to': (path) => execFileSync('mkfifo', [path]),
    'a link to itself': async (path) => await symlink(path, path),
    'a link that leads nowhere': async (path) => await symlink(`${path}.nowhere`, path),
    'a device': async (path) => await symlink('/dev/zero', path),
  };
  for (const [what, lay] of Object.entries(things)) {
    it(`is no blob, and makes room for it: ${what}`, async () => {
      await using opened = await openedStore();
      const { store, blob } = opened;
      await lay(blob);
      assert.equal(await store.stat(sha256(content)), undefined);
      await store.open(sha256(content)).then(
        (found) => assert.equal(found, undefined),
        (error: unknown) => assert.ok(error instanceof BlobUnreadableError, String(error)),
      );
      await put(store);
      await assertStored(store);
      assert.deepEqual((await Array.fromAsync(store.list())).length, 1);
    });
  }
});

describe('directories of the store that are removed while it is open', () => {
  for (const name of ['.', 'blobs', 'blobs/sha256', 'partial']) {
    it(`are made anew when something is to be stored: ${name}`, async () => {
      await using opened = await openedStore();
      const { store, directory } = opened;
      await put(store);
      await rm(join(directory, name), { recursive: true });
      await put(store);
      await assertStored(store);
      await put(store);
    });

    it(`are made anew when somebody asks whether the store can be used: ${name}`, async () => {
      await using opened = await openedStore();
      const { store, directory } = opened;
      await rm(join(directory, name), { recursive: true });
      await store.check();
      assert.deepEqual((await readdir(directory)).sort(), ['blobs', 'partial']);
    });
  }

  it('are made anew also where a transfer has begun: what was written is lost, what comes next is kept', async () => {
    await using opened = await openedStore();
    const { store, directory } = opened;
    {
      const hasher = new DigestHasher(sha256(content));
      hasher.update(content);
      await using spool = await store.begin();
      await spool.write(0, content);
      await rm(directory, { recursive: true });
      await assert.rejects(store.put(spool, hasher.verify()), { code: 'ENOENT' });
    }
    await put(store);
    await assertStored(store);
  });

  for (const name of ['blobs', 'blobs/sha256', 'partial']) {
    it(`are made anew where a file lies in their place, which is kept: ${name}`, async () => {
      await using opened = await openedStore();
      const { store, directory } = opened;
      await rm(join(directory, name), { recursive: true });
      await writeFile(join(directory, name), 'a file');
      await put(store);
      await assertStored(store);
      const all = await readdir(directory, { recursive: true });
      assert.equal(all.filter((path) => path.startsWith(`${name}.aside-`)).length, 1);
    });
  }
});

describe('partial files', () => {
  it('that nobody writes are removed while the store is open, and those that grow are not', async () => {
    await using opened = await openedStore();
    const { store, partial } = opened;
    const clock = new FakeClock();
    await writeFile(join(partial, 'abandoned'), 'x');
    await writeFile(join(partial, 'growing'), 'x');
    await mkdir(join(partial, 'a directory'));
    await using spool = await store.begin();
    await spool.write(0, content);
    const [own] = (await readdir(partial)).filter((name) => name.startsWith('spool.'));
    await using _sweep = new PartialSweep(store.partial, clock);
    await clock.untilSleeping();
    assert.equal((await readdir(partial)).length, 4);
    await writeFile(join(partial, 'growing'), 'xy');
    await clock.advance(10 * 60_000);
    await clock.untilSleeping();
    assert.deepEqual((await readdir(partial)).sort(), ['a directory', 'growing', own]);
    await clock.advance(10 * 60_000);
    await clock.untilSleeping();
    assert.deepEqual((await readdir(partial)).sort(), ['a directory', own]);
  });

  it('that cannot be removed keep no store from being opened', async () => {
    await using directory = await temporaryDirectory();
    const partial = join(directory.path, 'partial');
    await mkdir(join(partial, 'a directory'), { recursive: true });
    await writeFile(join(partial, 'b'), 'x');
    for (const name of ['a directory', 'b']) await utimes(join(partial, name), 1, 1);
    await using _store = await FileBlobStore.open({ directory: directory.path });
    assert.deepEqual(await readdir(partial), ['a directory']);
  });
});
