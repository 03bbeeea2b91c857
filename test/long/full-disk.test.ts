import assert from 'node:assert/strict';
import { cp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { parseTag } from '#src/oci/reference.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ColdBlobs, rangeOf } from '../e2e/support/cold-blobs.ts';
import { freePort } from '../e2e/support/free-port.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { canMount, smallDisk } from '../e2e/support/small-disk.ts';

const mebibyte = 1024 * 1024;

/** Leaves not one byte. */
async function fill(path: string): Promise<void> {
  for (let size = mebibyte; size >= 1024; size /= 2) {
    const { bavail, bsize } = await statfs(path);
    const room = Buffer.alloc(Math.floor((bavail * bsize) / size) * size, 1);
    await writeFile(join(path, `ballast-${size}`), room).catch(() => {});
  }
}

describe('a disk without any room', { skip: canMount() ? false : 'mounting a tmpfs needs root' }, () => {
  it('makes the server a pipe for what is new, and takes nothing from what is cached, also after a restart', async () => {
    await using disk = await smallDisk();
    await using upstream = await FakeUpstream.start();
    const layer = Buffer.from(bytes(30 * mebibyte));
    const name = upstream.repository('library/app');
    const { layers } = putImage(upstream.content, name, 'cached', [bytes(1000)]);
    const big = putImage(upstream.content, name, 'big', [layer]).layers[0]?.digest;
    putImage(upstream.content, name, 'new', [bytes(1000, 7)]);
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
    await using server = await Ociregistry.start({ settings: { registries, imagePath: disk.path } });
    const get = async (path: string) => await fetch(`${server.url}/v2/up/library/app/${path}`);
    const pullsBig = async () => {
      const got = Buffer.from(await (await get(`blobs/${big}`)).arrayBuffer());
      assert.ok(got.equals(layer));
    };
    await (await get('manifests/cached')).text();
    await server.stores('up/library/app', [layers[0]?.digest ?? '']);

    await pullsBig();
    await fill(disk.path);
    for (const restart of [false, true, true]) {
      if (restart) {
        await server.stop('SIGTERM');
        // What SQLite keeps in reserve is gone with the first of the two.
        await fill(disk.path);
        await server.startAgain();
      }
      const cached = await get('manifests/cached');
      assert.deepEqual([cached.status, cached.headers.get('cache-status')], [200, 'ociregistry; hit']);
      assert.equal((await get('manifests/new')).status, 200);
      await pullsBig();
    }

    for (let size = mebibyte; size >= 1024; size /= 2)
      await rm(join(disk.path, `ballast-${size}`), { force: true });
    const fresh = putImage(upstream.content, name, 'fresh', [bytes(1000, 9)]).layers[0]?.digest ?? '';
    assert.equal((await get(`manifests/${parseTag('fresh')}`)).status, 200);
    await server.stores('up/library/app', [fresh]);
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null });
  });

  it('costs nobody his answer where it becomes full while parts come ahead of the rest', async () => {
    await using disk = await smallDisk();
    const settings = { imagePath: disk.path, cache: { complete: false } };
    await using cold = await ColdBlobs.start({ rate: 8_000_000, settings });
    const blob = cold.put(40 * mebibyte);
    // More than the disk has room for, in an order of its own.
    const ahead = [30, 20, 10, 36, 25].map((at) => rangeOf(at * mebibyte, (at + 3) * mebibyte - 1));
    const [whole, ...parts] = await Promise.all([
      cold.get(blob),
      ...ahead.map(async (range) => await cold.get(blob, range)),
    ]);
    assert.ok(whole.body.equals(blob.bytes), `${whole.status}, ${whole.body.length} bytes`);
    for (const [at, { status, body }] of parts.entries()) {
      const [, first = 0, last = 0] = /(\d+)-(\d+)/.exec(ahead[at] ?? '')?.map(Number) ?? [];
      assert.equal(status, 206);
      assert.ok(body.equals(blob.bytes.subarray(first, last + 1)), `${ahead[at]}: ${body.length} bytes`);
    }
    assert.ok((await cold.get(blob)).body.equals(blob.bytes));
  });

  it('serves by the index of an older version what is cached, and says how much room it lacks for one of its own', async () => {
    await using disk = await smallDisk();
    await cp(join(import.meta.dirname, '../fixtures/schema-1'), join(disk.path, 'v1'), { recursive: true });
    await fill(disk.path);
    const health = await freePort();
    const settings = { imagePath: disk.path, health, airGapped: true };
    await using server = await Ociregistry.start({ settings });
    const cached = await fetch(`${server.url}/v2/docker.io/library/alpine/manifests/v1`);
    assert.deepEqual([cached.status, cached.headers.get('cache-status')], [200, 'ociregistry; hit']);
    const ready = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.equal(ready.status, 200);
    assert.match(
      ((await ready.json()) as { warning: string }).warning,
      /^no room to take over \/.*\/v1\/index\.sqlite: about \d+ bytes are needed in \/.*\/v1, \d+ are free\. What is cached is served/,
    );
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null });
    for (let size = mebibyte; size >= 1024; size /= 2)
      await rm(join(disk.path, `ballast-${size}`), { force: true });
    await server.startAgain();
    const again = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.deepEqual(await again.json(), { status: 'ready' });
  });

  it('serves by an index of this version that lacks what it has gained since, and stores again when there was room at a start', async () => {
    await using disk = await smallDisk();
    await using upstream = await FakeUpstream.start();
    const name = upstream.repository('library/app');
    const { layers } = putImage(upstream.content, name, 'cached', [bytes(100_000)]);
    const layer = layers[0]?.digest ?? '';
    const health = await freePort();
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'up' }];
    await using server = await Ociregistry.start({
      settings: { registries, imagePath: disk.path, health },
    });
    const get = async (path: string) => await fetch(`${server.url}/v2/up/library/app/${path}`);
    await (await get('manifests/cached')).text();
    await server.stores('up/library/app', [layer]);
    await server.stop('SIGTERM');
    withoutAdditions(join(disk.path, 'v1/index-3.sqlite'));
    await rm(join(disk.path, 'v1/reserve'), { force: true });
    await fill(disk.path);
    await server.startAgain();
    for (const path of ['manifests/cached', `blobs/${layer}`]) {
      const cached = await get(path);
      await cached.arrayBuffer();
      assert.deepEqual([cached.status, cached.headers.get('cache-status')], [200, 'ociregistry; hit']);
    }
    putImage(upstream.content, name, 'new', [bytes(1000, 7)]);
    assert.equal((await get('manifests/new')).status, 200);
    const ready = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.match(
      ((await ready.json()) as { warning: string }).warning,
      /^no room for what .* lacks\. What is cached is served/,
    );
    assert.deepEqual(await server.stop('SIGTERM'), { code: 0, signal: null });
    for (let size = mebibyte; size >= 1024; size /= 2)
      await rm(join(disk.path, `ballast-${size}`), { force: true });
    await server.startAgain();
    assert.equal((await get('manifests/cached')).headers.get('cache-status'), 'ociregistry; hit');
    const again = await fetch(`http://127.0.0.1:${health}/readyz`);
    assert.deepEqual(await again.json(), { status: 'ready' });
  });
});

/** As the first release of this version has made it. */
function withoutAdditions(path: string): void {
  const index = new SqliteDatabase(path);
  index.exec('drop index manifests_content');
  for (const table of ['leases', 'repeated_uses', 'leaving', 'missed', 'scrub'])
    index.exec(`drop table ${table}; delete from sqlite_stat1 where tbl = '${table}'`);
  index.close();
}
