import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { olderCache } from '../e2e/support/older-cache.ts';
import { until } from '../e2e/support/until.ts';

const manifests = 10_000;

describe('a server that finds the index of an older version', () => {
  it('says how far it is, goes on where a killed one was, and has all of it then', async () => {
    await using cache = await olderCache(manifests);
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
