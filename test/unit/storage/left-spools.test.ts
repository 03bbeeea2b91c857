import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rename, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseDigest } from '#src/oci/reference.ts';
import { FileBlobStore } from '#src/storage/file/file-blob-store.ts';
import { nodeFileSystem } from '#src/storage/file/file-system.ts';
import { PartialSweep } from '#src/storage/file/partial-files.ts';
import { OwnerLocks } from '#src/storage/sqlite/owner-locks.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { bytes, collect } from '#test/fakes/images.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const mebibyte = 1024 * 1024;
const content = Buffer.from(bytes(2 * mebibyte));
const note = { digest: parseDigest(`sha256:${'2'.repeat(64)}`), scope: 'docker.io', size: undefined };
const day = 24 * 3_600_000;

const owners = (partial: string) => new OwnerLocks(partial);

/** A directory in which a process has kept so many bytes and has ended, under which names. */
async function leftDirectory(size = content.length) {
  const directory = await temporaryDirectory();
  {
    await using store = await FileBlobStore.open({ directory: directory.path, owners });
    await using spool = await store.begin();
    spool.mark(note);
    await spool.write(0, content.subarray(0, size));
    await spool.keep();
  }
  const partial = join(directory.path, 'partial');
  const names = async () => (await readdir(partial)).sort();
  const left = await names();
  const named = (pattern: RegExp) => {
    const name = left.find((one) => pattern.test(one));
    assert.ok(name, `${pattern} of ${left}`);
    return join(partial, name);
  };
  const [lock, spool, record] = [/^owner/, /^spool\.[0-9a-f.]+$/, /\.ranges$/].map(named);
  assert.ok(lock && spool && record);
  return {
    directory: directory.path,
    partial,
    names,
    lock,
    spool,
    record,
    left,
    [Symbol.asyncDispose]: directory[Symbol.asyncDispose],
  };
}

type LeftDirectory = Awaited<ReturnType<typeof leftDirectory>>;

async function open(directory: string, clock?: FakeClock): Promise<FileBlobStore> {
  return await FileBlobStore.open({ directory, owners, ...(clock === undefined ? {} : { clock }) });
}

async function assertReopens(store: FileBlobStore, size = content.length): Promise<void> {
  await using spool = await store.reopen(note);
  assert.ok(spool);
  assert.deepEqual([...spool.ranges], [{ first: 0, last: size - 1 }]);
  assert.ok((await collect(spool.read({ first: 0, last: size - 1 }))).equals(content.subarray(0, size)));
}

describe('a half-filled blob of a process that has ended', () => {
  it('is gone on with by the next, and nothing else is left', async () => {
    await using left = await leftDirectory();
    {
      await using store = await open(left.directory);
      await assertReopens(store);
    }
    assert.deepEqual(await left.names(), []);
  });

  it('goes from one process to the next as long as nobody asks for it', async () => {
    await using left = await leftDirectory();
    for (let time = 0; time < 3; time += 1) {
      await using _store = await open(left.directory);
      assert.equal((await left.names()).length, 3);
    }
    await using store = await open(left.directory);
    await assertReopens(store);
  });

  it('is found by a process that was there before it ended', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    await using store = await open(directory.path, clock);
    const other = await open(directory.path);
    const spool = await other.begin();
    spool.mark(note);
    await spool.write(0, content);
    await spool.keep();
    await using _sweep = new PartialSweep(store.partial, clock);
    await clock.untilSleeping();
    assert.equal(await store.reopen(note), undefined);
    await spool[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await clock.advance(10 * 60_000);
    await clock.untilSleeping();
    await assertReopens(store);
  });

  it('is had by one of those who are there, whoever is quicker', async () => {
    await using left = await leftDirectory();
    const stores = await Promise.all(Array.from({ length: 4 }, async () => await open(left.directory)));
    const spools = await Promise.all(stores.map(async (store) => await store.reopen(note)));
    const got = spools.filter((spool) => spool !== undefined);
    assert.equal(got.length, 1);
    for (const spool of got) await spool.keep();
    for (const spool of got) await spool[Symbol.asyncDispose]();
    for (const store of stores) await store[Symbol.asyncDispose]();
    await using store = await open(left.directory);
    await assertReopens(store);
  });

  it('is cut to what a power cut has left of it', async () => {
    await using left = await leftDirectory();
    await truncate(left.spool, mebibyte + 5);
    await using store = await open(left.directory);
    await assertReopens(store, mebibyte + 5);
  });

  it('is thrown away where too little is left of it', async () => {
    await using left = await leftDirectory();
    await truncate(left.spool, 1000);
    await using store = await open(left.directory);
    assert.equal((await left.names()).length, 1);
    assert.equal(await store.reopen(note), undefined);
  });

  it('is cut also where that happens after it was taken over, and not gone on with where it is gone', async () => {
    for (const [spoil, isLeft] of [
      [async (path: string) => await truncate(path, mebibyte), true],
      [async (path: string) => await truncate(path, 10), false],
      [async (path: string) => await rm(path), false],
      [async (path: string) => await rm(path).then(async () => await mkdir(path)), false],
      [async (path: string) => await rm(path).then(async () => await symlink('/dev/zero', path)), false],
      [async (path: string) => await rm(path).then(() => execFileSync('mkfifo', [path])), false],
    ] as const) {
      await using left = await leftDirectory();
      await using store = await open(left.directory);
      const taken = (await left.names()).find((name) => /^spool\.[0-9a-f.]+$/.test(name)) ?? '';
      await spoil(join(left.partial, taken));
      if (isLeft) await assertReopens(store, mebibyte);
      else assert.equal(await store.reopen(note), undefined);
    }
  });

  it('is gone on with also where somebody ended between taking over the bytes and their record', async () => {
    await using left = await leftDirectory();
    // Another that is dead has the bytes already.
    const taker = new OwnerLocks(left.partial);
    const [, , id] = left.spool.split('/').at(-1)?.split('.') ?? [];
    await rename(left.spool, join(left.partial, `spool.${taker.mine}.${id}`));
    taker[Symbol.dispose]();
    await using store = await open(left.directory);
    await assertReopens(store);
  });

  it('is thrown away after a day, by the time of its record, and not for a clock that was set back', async () => {
    for (const [ageMs, isLeft] of [
      [day + 1000, false],
      [day - 60_000, true],
      [-day, true],
    ] as const) {
      await using left = await leftDirectory();
      const seconds = (Date.now() - ageMs) / 1000;
      await utimes(left.record, seconds, seconds);
      await using store = await open(left.directory);
      if (isLeft) await assertReopens(store);
      else assert.equal(await store.reopen(note), undefined);
    }
  });

  it('is no file for a fill of another blob to look for', async () => {
    const files = { ...nodeFileSystem };
    const calls: string[] = [];
    await using directory = await temporaryDirectory();
    await using store = await FileBlobStore.open({ directory: directory.path, owners, files });
    for (const name of ['open', 'stat', 'opendir', 'rename', 'rm', 'access', 'mkdir'] as const)
      Object.assign(files, { [name]: () => calls.push(name) });
    assert.equal(await store.reopen(note), undefined);
    assert.deepEqual(calls, []);
  });
});

describe('what dead processes leave besides', () => {
  it('is removed: bytes without a record, a record without bytes, half a record, its lock', async () => {
    await using left = await leftDirectory();
    const stem = left.spool.slice(0, -16);
    await writeFile(`${stem}${'1'.repeat(16)}`, content);
    await writeFile(`${stem}${'2'.repeat(16)}.ranges`, await readFile(left.record));
    await writeFile(`${left.record}.new`, '{"digest":"sha2');
    await using store = await open(left.directory);
    assert.equal((await left.names()).length, 3);
    await assertReopens(store);
  });

  it('is taken over up to 64 of the youngest, and removed beyond', async () => {
    await using left = await leftDirectory();
    const stem = left.spool.slice(0, -16);
    const record = JSON.parse(await readFile(left.record, 'utf8'));
    for (let at = 0; at < 70; at += 1) {
      const path = `${stem}${String(at).padStart(16, '0')}`;
      await writeFile(path, content);
      await writeFile(`${path}.ranges`, JSON.stringify({ ...record, scope: `host${at}` }));
      await utimes(`${path}.ranges`, Date.now() / 1000 - at, Date.now() / 1000 - at);
    }
    await utimes(left.record, Date.now() / 1000 - 1000, Date.now() / 1000 - 1000);
    await using store = await open(left.directory);
    const names = await left.names();
    assert.equal(names.filter((name) => name.endsWith('.ranges')).length, 64);
    assert.equal(names.length, 129);
    await using youngest = await store.reopen({ ...note, scope: 'host0' });
    assert.ok(youngest);
    assert.equal(await store.reopen({ ...note, scope: 'host64' }), undefined);
    assert.equal(await store.reopen(note), undefined);
  });
});

describe('a record that is none', () => {
  const whole = { digest: note.digest, scope: note.scope, ranges: [[0, content.length - 1]] };
  const texts: Readonly<Record<string, string | Buffer>> = {
    'is empty': '',
    'was half written': JSON.stringify(whole).slice(0, 60),
    'is no JSON': Buffer.alloc(4096),
    'is huge': JSON.stringify({ ...whole, more: 'x'.repeat(70_000) }),
    'is deep': '['.repeat(60_000),
    'is null': 'null',
    'is a list': '[]',
    'has no digest': JSON.stringify({ ...whole, digest: undefined }),
    'has a digest that is none': JSON.stringify({ ...whole, digest: 'sha256:..' }),
    'has no scope': JSON.stringify({ ...whole, scope: 7 }),
    'has a size that is none': JSON.stringify({ ...whole, size: -1 }),
    'has no ranges': JSON.stringify({ ...whole, ranges: undefined }),
    'has a range with one end': JSON.stringify({ ...whole, ranges: [[0]] }),
    'has a range that ends before it begins': JSON.stringify({ ...whole, ranges: [[mebibyte * 2, 5]] }),
    'has a negative range': JSON.stringify({ ...whole, ranges: [[-5, 2 * mebibyte]] }),
    'has ranges that overlap': JSON.stringify({
      ...whole,
      ranges: [
        [0, mebibyte + 9],
        [mebibyte, mebibyte + 99],
      ],
    }),
    'has ranges out of order': JSON.stringify({
      ...whole,
      ranges: [
        [mebibyte, 2 * mebibyte],
        [0, 9],
      ],
    }),
    'has half bytes': JSON.stringify({ ...whole, ranges: [[0, 2 * mebibyte - 0.5]] }),
    'has a number beyond all numbers': `{"digest":"${note.digest}","scope":"docker.io","ranges":[[0,1e400]]}`,
    'has ranges beyond the size': JSON.stringify({ ...whole, size: mebibyte }),
    'has too many ranges': JSON.stringify({
      ...whole,
      ranges: Array.from({ length: 1001 }, (_, at) => [at * 2, at * 2]),
    }),
    'is another’s: of another digest': JSON.stringify({ ...whole, digest: `sha256:${'3'.repeat(64)}` }),
    'is another’s: of another scope': JSON.stringify({ ...whole, scope: 'ghcr.io' }),
  };
  for (const [what, text] of Object.entries(texts)) {
    it(`is not believed: ${what}`, async () => {
      await using left = await leftDirectory();
      await writeFile(left.record, text);
      await using store = await open(left.directory);
      assert.equal(await store.reopen(note), undefined);
      if (!what.startsWith('is another’s')) assert.equal((await left.names()).length, 1);
    });
  }

  const things: Readonly<Record<string, (left: LeftDirectory) => Promise<unknown> | unknown>> = {
    'a pipe for the record': async ({ record }) => {
      await rm(record);
      execFileSync('mkfifo', [record]);
    },
    'a directory for the record': async ({ record }) => {
      await rm(record);
      await mkdir(record);
      await writeFile(join(record, 'x'), 'y');
    },
    'a device for the record': async ({ record }) => {
      await rm(record);
      await symlink('/dev/zero', record);
    },
    'a link to itself for the record': async ({ record }) => {
      await rm(record);
      await symlink(record, record);
    },
    'a directory for the bytes': async ({ spool }) => {
      await rm(spool);
      await mkdir(spool);
    },
    'a pipe for the bytes': async ({ spool }) => {
      await rm(spool);
      execFileSync('mkfifo', [spool]);
    },
    'a pipe for the lock': async ({ lock }) => {
      await rm(lock);
      execFileSync('mkfifo', [lock]);
    },
    'a directory for the lock': async ({ lock }) => {
      await rm(lock);
      await mkdir(lock);
    },
    'a file of others for the lock': async ({ lock }) => await writeFile(lock, content),
  };
  for (const [what, lay] of Object.entries(things)) {
    it(`holds nothing up: ${what}`, async () => {
      await using left = await leftDirectory();
      await lay(left);
      await using store = await open(left.directory);
      assert.equal(await store.reopen(note), undefined);
      await using spool = await store.begin();
      spool.mark(note);
      await spool.write(0, content);
      await spool.keep();
      await assertReopens(store);
    });
  }
});

describe('what a process that lives has on its way', () => {
  it('is never touched, however old it is', async () => {
    await using directory = await temporaryDirectory();
    const partial = join(directory.path, 'partial');
    await using living = await open(directory.path);
    await using spool = await living.begin();
    spool.mark(note);
    await spool.write(0, content);
    await spool.keep();
    await using _small = await living.begin();
    const names = (await readdir(partial)).sort();
    assert.equal(names.length, 4);
    for (const name of names) await utimes(join(partial, name), 1, 1);
    const clock = new FakeClock();
    await using other = await open(directory.path, clock);
    await using _sweep = new PartialSweep(other.partial, clock);
    for (let time = 0; time < 4; time += 1) {
      await clock.untilSleeping();
      await clock.advance(10 * 60_000);
    }
    await clock.untilSleeping();
    const mine = (name: string) => names.includes(name);
    assert.deepEqual((await readdir(partial)).filter(mine).sort(), names);
    assert.equal(await other.reopen(note), undefined);
    await assertReopens(living);
  });

  it('is left where its lock was removed, for a day, since nobody can tell', async () => {
    await using left = await leftDirectory();
    await rm(left.lock);
    const before = await left.names();
    {
      const clock = new FakeClock();
      clock.set(Date.now() + 3_600_000);
      await using store = await open(left.directory, clock);
      await using _sweep = new PartialSweep(store.partial, clock);
      await clock.untilSleeping();
      await clock.advance(10 * 60_000);
      await clock.untilSleeping();
      assert.equal(await store.reopen(note), undefined);
    }
    assert.deepEqual(await left.names(), before);
    for (const path of [left.spool, left.record]) await utimes(path, 1, 1);
    await using _store = await open(left.directory);
    assert.equal((await left.names()).length, 1);
  });

  it('is told again soon when its lock was removed', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    await using store = await open(directory.path, clock);
    const [lock = ''] = await readdir(join(directory.path, 'partial'));
    await rm(join(directory.path, 'partial', lock));
    await using _sweep = new PartialSweep(store.partial, clock);
    await clock.untilSleeping();
    assert.deepEqual(await readdir(join(directory.path, 'partial')), [lock]);
  });

  it('is gone after a day of its own as well', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    await using store = await open(directory.path, clock);
    {
      await using spool = await store.begin();
      spool.mark(note);
      await spool.write(0, content);
      await spool.keep();
    }
    await using _sweep = new PartialSweep(store.partial, clock);
    for (const [hours, count] of [
      [23, 3],
      [1, 1],
    ] as const) {
      for (let time = 0; time < hours * 6; time += 1) {
        await clock.untilSleeping();
        await clock.advance(10 * 60_000);
      }
      await clock.untilSleeping();
      assert.equal((await readdir(join(directory.path, 'partial'))).length, count);
    }
  });

  it('is told again when the directory was removed and made anew under it', async () => {
    await using directory = await temporaryDirectory();
    const partial = join(directory.path, 'partial');
    await using store = await open(directory.path);
    await rm(partial, { recursive: true });
    await using spool = await store.begin();
    spool.mark(note);
    await spool.write(0, content);
    await spool.keep();
    await using other = await open(directory.path);
    const locks = (await readdir(partial)).filter((name) => name.startsWith('owner.'));
    assert.equal(locks.length, 2);
    assert.equal(await other.reopen(note), undefined);
    await assertReopens(store);
  });
});

describe('where nobody can tell who lives', () => {
  it('what was kept is gone on with in the process, has no record, and goes by its age after it', async () => {
    await using directory = await temporaryDirectory();
    const partial = join(directory.path, 'partial');
    const keep = async (store: FileBlobStore) => {
      await using spool = await store.begin();
      spool.mark(note);
      await spool.write(0, content);
      await spool.keep();
    };
    {
      await using store = await FileBlobStore.open({ directory: directory.path });
      await keep(store);
      await assertReopens(store);
      await keep(store);
      const clock = new FakeClock();
      await using _sweep = new PartialSweep(store.partial, clock);
      await clock.untilSleeping();
      await clock.advance(10 * 60_000);
      await clock.untilSleeping();
      assert.equal((await readdir(partial)).length, 1);
    }
    const [name = ''] = await readdir(partial);
    assert.match(name, /^spool\.[0-9a-f]{16}$/);
    await using store = await open(directory.path);
    assert.equal(await store.reopen(note), undefined);
    assert.ok((await readdir(partial)).includes(name));
    await utimes(join(partial, name), 1, 1);
    await using _next = await open(directory.path);
    assert.ok(!(await readdir(partial)).includes(name));
  });

  it('what others keep is left', async () => {
    await using left = await leftDirectory();
    await using _store = await FileBlobStore.open({ directory: left.directory });
    assert.deepEqual(await left.names(), left.left);
  });
});

describe('a blob that had its name when its process ended', () => {
  /** As where that was killed behind the rename: the record is left. */
  async function named() {
    const left = await leftDirectory();
    const blob = join(left.directory, 'blobs/sha256', note.digest.slice('sha256:'.length));
    await rename(left.spool, blob);
    return { ...left, blob };
  }

  it('is told of, for the index may not know of it, and then its record goes', async () => {
    await using left = await named();
    const told: string[] = [];
    const brought = async (digests: readonly string[]): Promise<void> => void told.push(...digests);
    {
      await using _ = await FileBlobStore.open({ directory: left.directory, owners, brought });
    }
    assert.deepEqual(told, [note.digest]);
    assert.deepEqual(await left.names(), []);
    assert.ok((await readFile(left.blob)).equals(content));
  });

  it('is told of again where nobody could hear it', async () => {
    await using left = await named();
    const told: string[] = [];
    for (const isHeard of [false, false, true]) {
      const brought = async (digests: readonly string[]): Promise<void> => {
        told.push(...digests);
        if (!isHeard) throw new Error('the index is locked');
      };
      await using _ = await FileBlobStore.open({ directory: left.directory, owners, brought });
    }
    assert.equal(told.length, 3);
    assert.deepEqual(await left.names(), []);
  });

  it('is nothing to be told of where its record is none', async () => {
    await using left = await named();
    await writeFile(left.record, 'hello');
    const brought = async (): Promise<void> => assert.fail();
    {
      await using _ = await FileBlobStore.open({ directory: left.directory, owners, brought });
    }
    assert.deepEqual(await left.names(), []);
  });
});
