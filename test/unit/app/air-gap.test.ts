import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import SqliteDatabase from 'better-sqlite3';
import { wanted } from '#src/cli/wanted.ts';
import { loseBlob } from '#src/storage/operation.ts';
import { openInventory } from '#src/storage/sqlite/open-inventory.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask, codeOf } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

async function printed(imagePath: string, output: 'text' | 'json' = 'text'): Promise<string> {
  const stdout = new PassThrough();
  const all = text(stdout);
  await wanted(imagePath, { output }, stdout);
  stdout.end();
  return await all;
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  await using directory = await temporaryDirectory();
  await using app = await runApp({ imagePath: directory.path });
  return app.server.port;
}

/** A directory that was filled by an upstream, and how it is served. */
async function filled() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1000)]);
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
    cache: { negativeTtl: '1h' },
  };
  {
    await using app = await runApp(settings);
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    for (const { digest } of [image.config, ...image.layers])
      await ask(app.server, `/v2/up/team/app/blobs/${digest}`);
    await app.stop();
  }
  upstream.requests.length = 0;
  const moved = stack.move();
  return {
    ...{ directory, upstream, image, settings },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

describe('across an air gap', () => {
  it('a miss is 404 with a message that names what is missing, and nobody is asked', async () => {
    await using made = await filled();
    const { upstream, settings, image } = made;
    await using app = await runApp({ ...settings, airGapped: true });
    const other = `sha256:${'0'.repeat(64)}`;
    for (const [path, code, names] of [
      ['team/app/manifests/v2', 'MANIFEST_UNKNOWN', `${upstream.host}/team/app:v2`],
      [`team/app/manifests/${other}`, 'MANIFEST_UNKNOWN', `${upstream.host}/team/app@${other}`],
      [`team/app/blobs/${other}`, 'BLOB_UNKNOWN', `the blob ${other} of ${upstream.host}/team/app`],
      ['team/none/tags/list', 'NAME_UNKNOWN', `${upstream.host}/team/none`],
    ] as const) {
      const answer = await ask(app.server, `/v2/up/${path}`);
      assert.deepEqual([answer.status, codeOf(answer)], [404, code], path);
      assert.ok(
        answer.body.toString().includes(`${names} is not in the cache, and this registry is air-gapped`),
        path,
      );
    }
    assert.equal((await ask(app.server, '/v2/up/team/app/manifests/v1')).status, 200);
    const tags = await ask(app.server, '/v2/up/team/app/tags/list');
    assert.deepEqual(JSON.parse(tags.body.toString()).tags, ['v1']);
    const referrers = await ask(app.server, `/v2/up/team/app/referrers/${image.manifest.digest}`);
    assert.equal(referrers.status, 200);
    assert.deepEqual(upstream.requests, []);
    assert.equal(upstream.connections > 0, true);
  });

  it('what clients lack is on a list, beside the server that they ask, until it is there', async () => {
    await using made = await filled();
    const { directory, upstream, settings, image } = made;
    await using app = await runApp({ ...settings, airGapped: true });
    for (const method of ['HEAD', 'GET', 'GET'])
      await ask(app.server, '/v2/up/team/app/manifests/v2', { method });
    await ask(app.server, '/v2/ghcr.io/other/app/manifests/latest');
    assert.equal(await printed(directory.path), '');
    await app.stop();
    const names = [`${upstream.host}/team/app:v2`, 'ghcr.io/other/app:latest'];
    assert.equal(await printed(directory.path), names.map((name) => `${name}\n`).join(''));
    const objects = JSON.parse(await printed(directory.path, 'json')) as {
      reference: string;
      times: number;
    }[];
    assert.deepEqual(
      objects.map(({ reference, times }) => [reference, times]),
      [
        [names[0], 3],
        [names[1], 1],
      ],
    );
    {
      await using connected = await runApp(settings);
      putImage(upstream.content, upstream.repository('team/app'), 'v2', [bytes(1000)]);
      await ask(connected.server, '/v2/up/team/app/manifests/v2');
      await connected.stop();
    }
    assert.equal(await printed(directory.path), `${names[1]}\n`);
    assert.equal(image.layers.length, 1);
  });

  it('an image that lacks a blob is on it', async () => {
    await using made = await filled();
    const { directory, upstream, settings, image } = made;
    const layer = image.layers[0]?.digest ?? assert.fail();
    {
      await using store = await SqliteMetadataStore.open(join(directory.path, 'v1'));
      await store.change([loseBlob(layer)]);
      await rm(join(directory.path, 'v1/blobs', ...layer.split(':')));
    }
    await using app = await runApp({ ...settings, airGapped: true });
    assert.equal((await ask(app.server, `/v2/up/team/app/blobs/${layer}`)).status, 404);
    await app.stop();
    assert.equal(await printed(directory.path), `${upstream.host}/team/app@${image.manifest.digest}\n`);
  });

  it('what is brought is served at once, however lately it was missed', async () => {
    await using made = await filled();
    const { settings, upstream } = made;
    await using app = await runApp({ ...settings, airGapped: true });
    const path = '/v2/up/team/app/manifests/v3';
    assert.equal((await ask(app.server, path)).status, 404);
    putImage(upstream.content, upstream.repository('team/app'), 'v3', [bytes(10)]);
    {
      await using connected = await runApp(settings);
      await ask(connected.server, path);
      await connected.stop();
    }
    assert.equal((await ask(app.server, path)).status, 200);
  });

  it('misses are counted', async () => {
    await using made = await filled();
    const metrics = await freePort();
    await using app = await runApp({ ...made.settings, airGapped: true, metrics });
    for (const path of ['app/manifests/v1', 'app/manifests/v2', 'app/manifests/v2', 'none/tags/list'])
      await ask(app.server, `/v2/up/team/${path}`);
    const { body } = await ask({ port: metrics }, '/metrics');
    assert.match(body.toString(), /^ociregistry_air_gap_misses_total 2$/m);
  });

  it('an index that an earlier program has made lacks the list, and is read all the same', async () => {
    await using made = await filled();
    const v1 = join(made.directory.path, 'v1');
    {
      using database = Object.assign(new SqliteDatabase(join(v1, 'index-3.sqlite')), {
        [Symbol.dispose]: () => void database.close(),
      });
      database.exec('drop table missed');
    }
    assert.equal(await printed(made.directory.path), '');
    using opened = await openInventory(v1);
    assert.equal((await opened?.inventory.images({ limit: 10, weighs: true }))?.length, 1);
  });

  it('the list is empty where nothing was cached yet', async () => {
    await using directory = await temporaryDirectory();
    assert.deepEqual([await printed(directory.path), await printed(directory.path, 'json')], ['', '[]\n']);
  });
});
