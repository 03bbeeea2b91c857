import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import type { App } from '#src/app/app.ts';
import { sha256 } from '#src/oci/digest.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layer = Buffer.from(bytes(300_000));
const fileName = 'index-3.sqlite';

/** A directory that has an image of two repositories' worth, and servers over it that ask nobody. */
async function cached() {
  const directory = await temporaryDirectory();
  await using upstream = await FakeUpstream.start();
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', [layer]);
  const other = putImage(upstream.content, upstream.repository('team/other'), 'v2', [Buffer.from('other')]);
  const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
  const pull = async (app: App, name: string, tag: string, { layers, config }: Image): Promise<number[]> => {
    const paths = [`manifests/${tag}`, ...[config, ...layers].map(({ digest }) => `blobs/${digest}`)];
    const answers = await Promise.all(
      paths.map(async (path) => await ask(app.server, `/v2/up/${name}/${path}`)),
    );
    return answers.map(({ status }) => status);
  };
  {
    await using app = await runApp({ registries, imagePath: directory.path });
    assert.deepEqual(await pull(app, 'team/app', 'v1', image), [200, 200, 200]);
    assert.deepEqual(await pull(app, 'team/other', 'v2', other), [200, 200, 200]);
    await app.stop();
  }
  const log = new LogLines();
  const v1 = join(directory.path, 'v1');
  for (const suffix of ['-wal', '-shm']) await rm(join(v1, `${fileName}${suffix}`), { force: true });
  return {
    ...{ v1, log, image, other, pull },
    start: async () => await runApp({ registries, imagePath: directory.path, airGapped: true }, { log }),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) assert.ok(Date.now() < giveUpAt, 'it never is so');
}

describe('an index that cannot be read', () => {
  const damages: Readonly<Record<string, (path: string) => Promise<unknown>>> = {
    garbage: async (path) => await writeFile(path, bytes(100_000)),
    'a text': async (path) => await writeFile(path, 'hello'),
    torn: async (path) => await truncate(path, 6000),
    'a directory': async (path) => {
      await rm(path);
      await mkdir(path);
    },
    'a pipe': async (path) => {
      await rm(path);
      execFileSync('mkfifo', [path]);
    },
    'a directory in the place of its log': async (path) => await mkdir(`${path}-wal`),
    'a pipe in the place of its log': async (path) => execFileSync('mkfifo', [`${path}-wal`]),
    'a directory in the place of its shared memory': async (path) => await mkdir(`${path}-shm`),
    'a directory in the place of its log, and nothing in its own': async (path) => {
      await rm(path);
      await mkdir(`${path}-wal`);
    },
    'of another program': async (path) => {
      await rm(path);
      using database = closing(path);
      database.value.exec('create table notes (text text); pragma user_version = 7');
    },
    'of another program that calls itself ours': async (path) => {
      await rm(path);
      using database = closing(path);
      database.value.exec('create table notes (text text); pragma user_version = 3');
    },
  };
  for (const [what, happens] of Object.entries(damages)) {
    it(`does not keep the server from starting, is put aside and made anew from what lies there: ${what}`, async () => {
      await using it = await cached();
      await happens(join(it.v1, fileName));
      await using app = await it.start();
      const [first, ...others] = (await readdir(it.v1)).filter((name) => /aside-[0-9a-f]{8}/.test(name));
      assert.ok(first);
      const aside = first.replace(/-(?:wal|shm)$/, '');
      assert.ok(aside.startsWith(`${fileName}.aside-`));
      assert.ok(others.every((name) => name.startsWith(aside)));
      assert.ok(it.log.at('error').some((line) => line.includes(aside)));
      await until(async () => !(await readdir(it.v1)).includes('rebuild.json'));
      assert.deepEqual(await it.pull(app, 'team/app', 'v1', it.image), [200, 200, 200]);
      assert.deepEqual(await it.pull(app, 'team/other', 'v2', it.other), [200, 200, 200]);
      // Whoever does not name a blob does not have it.
      const foreign = await ask(app.server, `/v2/up/team/other/blobs/${sha256(layer)}`);
      assert.equal(foreign.status, 404);
      await app.stop();
      assert.match(await readFile(join(it.v1, 'index.json'), 'utf8'), /team\/app:v1(?:.|\n)*team\/other:v2/);
    });
  }

  it('is made anew by the next server where this one has ended before it was done', async () => {
    await using it = await cached();
    await writeFile(join(it.v1, fileName), 'hello');
    {
      await using _ = await it.start();
    }
    // As where it was killed: what was written of it is lost, the list of tags is that of an empty index.
    if (!(await readdir(it.v1)).includes('rebuild.json')) return;
    await using app = await it.start();
    await until(async () => !(await readdir(it.v1)).includes('rebuild.json'));
    assert.deepEqual(await it.pull(app, 'team/app', 'v1', it.image), [200, 200, 200]);
  });

  it('has misses where it is damaged in the middle, which SQLite opens, and is made anew by the next start', async () => {
    await using it = await cached();
    await spoilTable(join(it.v1, fileName), 'tags');
    const manifest = '/v2/up/team/app/manifests/v1';
    {
      await using app = await it.start();
      assert.equal((await ask(app.server, manifest)).status, 404);
      assert.ok(it.log.at('error').some((line) => line.includes('the index is damaged')));
      await app.stop();
    }
    assert.ok((await readdir(it.v1)).includes(`${fileName}.damaged`));
    await using app = await it.start();
    await until(async () => !(await readdir(it.v1)).includes('rebuild.json'));
    assert.deepEqual(await it.pull(app, 'team/app', 'v1', it.image), [200, 200, 200]);
    assert.ok(!(await readdir(it.v1)).includes(`${fileName}.damaged`));
  });

  it('makes nothing known whose file is wrong', async () => {
    await using it = await cached();
    await writeFile(join(it.v1, fileName), 'hello');
    const hex = it.image.manifest.digest.slice('sha256:'.length);
    await writeFile(join(it.v1, 'blobs/sha256', hex), '{}');
    await using app = await it.start();
    await until(async () => !(await readdir(it.v1)).includes('rebuild.json'));
    assert.equal((await ask(app.server, '/v2/up/team/app/manifests/v1')).status, 404);
    assert.deepEqual(await it.pull(app, 'team/other', 'v2', it.other), [200, 200, 200]);
    assert.ok(it.log.at('warn').some((line) => line.includes(it.image.manifest.digest)));
  });
});

/** Other bytes in the place of its first page. */
async function spoilTable(path: string, name: string): Promise<void> {
  let page = 0;
  {
    using database = closing(path);
    page = Number(
      database.value.prepare('select rootpage from sqlite_schema where name = ?').pluck().get(name),
    );
  }
  await using file = await open(path, 'r+');
  await file.write(bytes(4096, 7), 0, 4096, (page - 1) * 4096);
}

function closing(path: string) {
  const value = new SqliteDatabase(path);
  return { value, [Symbol.dispose]: () => void value.close() };
}
