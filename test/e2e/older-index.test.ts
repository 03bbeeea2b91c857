import assert from 'node:assert/strict';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { makeOlder } from '../bench/index-loads.ts';
import { freePort } from './support/free-port.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const bin = join(import.meta.dirname, '../../src/bin.js');
const manifests = 10_000;

async function olderCache() {
  const directory = await temporaryDirectory();
  const v1 = join(directory.path, 'v1');
  await mkdir(v1);
  await makeOlder(v1, manifests);
  const health = await freePort();
  const flags = [
    '--image-path',
    directory.path,
    '--host',
    '127.0.0.1',
    '--port',
    '0',
    '--health',
    `${health}`,
  ];
  return {
    v1,
    start: () => new Program(process.execPath, [bin, 'serve', ...flags]),
    ask: async (page: string) => await ask(health, page),
    [Symbol.asyncDispose]: async () => await directory[Symbol.asyncDispose](),
  };
}

/** Undefined: nobody answers yet. */
async function ask(port: number, page: string): Promise<{ status: number; reason: string } | undefined> {
  const response = await fetch(`http://127.0.0.1:${port}/${page}`).catch(() => undefined);
  if (response === undefined) return undefined;
  const { reason = '' } = (await response.json()) as { reason?: string };
  return { status: response.status, reason };
}

describe('a server that finds the index of an older version', () => {
  it('answers that it lives and is not ready while it waits for it, and ends when it is told to', async () => {
    await using cache = await olderCache();
    const older = new SqliteDatabase(join(cache.v1, 'index.sqlite'));
    older.pragma('locking_mode = EXCLUSIVE');
    older.exec('begin immediate; rollback');
    try {
      await using server = cache.start();
      await until('it says what it waits for', async () => {
        const ready = await cache.ask('readyz');
        return ready?.status === 503 && /in use by an older server .*: stop that one$/.test(ready.reason);
      });
      assert.equal((await cache.ask('livez'))?.status, 200);
      assert.deepEqual(await server.stop(), { code: null, signal: 'SIGTERM' });
    } finally {
      older.close();
    }
  });

  it('says how far it is, goes on where a killed one was, and has all of it then', async () => {
    await using cache = await olderCache();
    const progress = async (): Promise<number | undefined> => {
      const said = /^taking over the index of an older version: (\d+) of \d+$/.exec(
        (await cache.ask('readyz'))?.reason ?? '',
      );
      return said === null ? undefined : Number(said[1]);
    };
    let killedAt: number | undefined;
    {
      await using server = cache.start();
      killedAt = await until('it says how far it is', progress);
      assert.equal((await cache.ask('livez'))?.status, 200);
      await server.stop('SIGKILL');
    }
    assert.ok((await readdir(cache.v1)).includes('index-3.sqlite.partial'));
    await using server = cache.start();
    const first = await until('it says how far it is', progress);
    assert.ok(first > killedAt, `${first} after ${killedAt}`);
    await until('it is ready', async () => (await cache.ask('readyz'))?.status === 200);
    const index = new SqliteDatabase(join(cache.v1, 'index-3.sqlite'), { readonly: true });
    try {
      const count = (table: string) => index.prepare(`select count(*) from ${table}`).pluck().get();
      assert.deepEqual(
        [count('manifests'), count('tags'), count('children')],
        [manifests, manifests, 9 * manifests],
      );
    } finally {
      index.close();
    }
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  });
});
