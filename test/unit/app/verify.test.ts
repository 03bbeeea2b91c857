import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { type VerifiedFile, verifyStore } from '#src/app/verify.ts';
import { loadConfig } from '#src/config/load.ts';
import type { Digest } from '#src/oci/reference.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layers = [Buffer.from(bytes(300_000)), Buffer.from(bytes(2000, 2))];

/** A server that has an image, and what is called beside it. */
async function serving() {
  const directory = await temporaryDirectory();
  const upstream = await FakeUpstream.start();
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', layers);
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
  };
  const app = await runApp(settings);
  const digests = [image.manifest, image.config, ...image.layers].map(({ digest }) => digest);
  const pathOf = (digest: Digest): string =>
    `/v2/up/team/app/${digest === image.manifest.digest ? 'manifests' : 'blobs'}/${digest}`;
  for (const path of ['/v2/up/team/app/manifests/v1', ...digests.map(pathOf)])
    assert.equal((await ask(app.server, path)).status, 200);
  const v1 = join(directory.path, 'v1');
  const fileOf = (digest: Digest): string => join(v1, 'blobs/sha256', digest.slice('sha256:'.length));
  await untilStored(v1, digests.length);
  const verify = async (
    order: { repairs?: boolean; rebuilds?: boolean; airGapped?: boolean } = {},
  ): Promise<VerifiedFile[]> => {
    const { repairs = false, rebuilds = false, airGapped = false } = order;
    const { config } = await loadConfig({ flags: { host: '127.0.0.1', ...settings, airGapped }, env: {} });
    const signal = new AbortController().signal;
    const parts = { version: '0', env: {}, log: new LogLines(), signal, rate: 0, repairs, rebuilds };
    return await Array.fromAsync(verifyStore(config, parts));
  };
  return {
    ...{ app, upstream, image, digests, pathOf, fileOf, v1, verify },
    async [Symbol.asyncDispose]() {
      await app[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Known to the index, too. */
async function untilStored(directory: string, count: number): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  await using index = await SqliteMetadataStore.open(directory);
  while ((await index.listStored({ limit: 10 })).digests.length < count) {
    assert.ok(Date.now() < giveUpAt, 'it is not stored');
    await setTimeout(20);
  }
}

/** Nothing tells of it. */
async function rot(path: string): Promise<void> {
  await using file = await open(path, 'r+');
  const { atime, mtime } = await file.stat();
  await file.write(Buffer.from([0]), 0, 1, 100);
  await file.utimes(atime, mtime);
}

function foundIn(files: readonly VerifiedFile[]) {
  return files.filter(({ verdict }) => verdict !== 'right');
}

describe('verify', () => {
  it('says that nothing is cached where nothing is, and makes no directory: the path may be wrong', async () => {
    await using directory = await temporaryDirectory();
    const { config } = await loadConfig({ flags: { imagePath: join(directory.path, 'typo') }, env: {} });
    const parts = { version: '0', env: {}, log: new LogLines(), signal: new AbortController().signal };
    const order = { rate: 0, repairs: false, rebuilds: false };
    await assert.rejects(
      Array.fromAsync(verifyStore(config, { ...parts, ...order })),
      /^Error: nothing is cached in .*typo$/,
    );
    assert.deepEqual(await readdir(directory.path), []);
  });
});

describe('verify, beside a server', () => {
  it('finds nothing wrong where nothing is', async () => {
    await using it = await serving();
    const files = await it.verify();
    assert.deepEqual(files.map(({ digest }) => digest).toSorted(), it.digests.toSorted());
    assert.deepEqual(foundIn(files), []);
  });

  it('puts aside what is wrong, and the server fetches it again for whoever asks', async () => {
    await using it = await serving();
    const [, , layer] = it.digests;
    assert.ok(layer);
    await rot(it.fileOf(layer));
    const [found, ...others] = foundIn(await it.verify());
    assert.deepEqual(others, []);
    assert.deepEqual([found?.digest, found?.verdict], [layer, 'wrong']);
    assert.ok(found?.owners[0]?.repository.endsWith('/team/app'));
    assert.equal((await readdir(join(it.v1, 'quarantine'))).length, 1);
    assert.ok((await ask(it.app.server, it.pathOf(layer))).body.equals(layers[0] ?? Buffer.alloc(0)));
    assert.deepEqual(foundIn(await it.verify()), []);
  });

  for (const repairs of [false, true])
    it(`has the server write again what it has in memory, a manifest and small blobs, and says so: it may be the last copy; repairs: ${repairs}`, async () => {
      await using it = await serving();
      const [manifest, config, , small] = it.digests;
      assert.ok(manifest && config && small);
      const files = [manifest, config, small].map(it.fileOf);
      const before = await Promise.all(files.map(async (file) => await readFile(file)));
      for (const file of files.slice(0, 2)) await writeFile(file, '{}');
      await rm(it.fileOf(small));
      it.upstream.requests.splice(0);
      const found = foundIn(await it.verify({ airGapped: true, repairs }));
      assert.deepEqual(
        new Map(found.map((file) => [file.digest, [file.verdict, file.isRepaired, file.problem]])),
        new Map([
          [manifest, ['wrong', true, undefined]],
          [config, ['wrong', true, undefined]],
          [small, ['missing', true, undefined]],
        ]),
      );
      for (const [at, file] of files.entries())
        assert.ok((await readFile(file)).equals(before[at] ?? Buffer.alloc(0)));
      assert.deepEqual(foundIn(await it.verify({ airGapped: true })), []);
      assert.deepEqual(it.upstream.calls, []);
    });

  it('fetches again what is wrong or missing where it is told to: blobs and manifests', async () => {
    await using it = await serving();
    const [manifest, config, layer] = it.digests;
    assert.ok(manifest && config && layer);
    await rot(it.fileOf(layer));
    await writeFile(it.fileOf(manifest), '{}');
    await rm(it.fileOf(config));
    const found = foundIn(await it.verify({ repairs: true }));
    assert.deepEqual(
      new Map(found.map(({ digest, verdict, isRepaired }) => [digest, `${verdict} ${isRepaired}`])),
      new Map([
        [manifest, 'wrong true'],
        [config, 'missing true'],
        [layer, 'wrong true'],
      ]),
    );
    assert.deepEqual(foundIn(await it.verify({ airGapped: true })), []);
    for (const digest of it.digests) assert.equal((await ask(it.app.server, it.pathOf(digest))).status, 200);
  });

  it('does not trip over another one: what is wrong is found, put aside and fetched again once', async () => {
    await using it = await serving();
    const [, config, layer] = it.digests;
    assert.ok(config && layer);
    for (const repairs of [false, true]) {
      await rot(it.fileOf(layer));
      await writeFile(it.fileOf(config), '[]');
      const both = await Promise.all([it.verify({ repairs }), it.verify({ repairs })]);
      const found = both.flatMap(foundIn);
      assert.deepEqual(new Set(found.map(({ digest }) => digest)), new Set([layer, config]));
      for (const digest of [layer, config])
        assert.equal(found.filter((each) => each.digest === digest && each.kept !== undefined).length, 1);
      if (repairs) assert.ok(found.every(({ isRepaired }) => isRepaired));
      const isThere = async (): Promise<boolean> => {
        for (const digest of it.digests)
          assert.equal((await ask(it.app.server, it.pathOf(digest))).status, 200);
        return [layer, config].every((digest) => existsSync(it.fileOf(digest)));
      };
      const giveUpAt = Date.now() + 20_000;
      while (!(await isThere())) {
        assert.ok(Date.now() < giveUpAt, 'it is not stored');
        await setTimeout(100);
      }
      await untilStored(it.v1, it.digests.length);
    }
    assert.deepEqual(foundIn(await it.verify()), []);
  });

  it('says what could not be fetched again, across an air gap too', async () => {
    await using it = await serving();
    const [, , layer] = it.digests;
    assert.ok(layer);
    // It would fetch it.
    await it.app.stop();
    await rot(it.fileOf(layer));
    const [found] = foundIn(await it.verify({ repairs: true, airGapped: true }));
    assert.equal(found?.isRepaired, false);
    assert.match(found.problem ?? '', /air-gapped/);
  });

  it('leaves an index that it cannot read to the server, unless it is told to make it anew', async () => {
    await using it = await serving();
    await it.app.stop();
    await writeFile(join(it.v1, 'index-3.sqlite'), 'hello');
    await assert.rejects(it.verify(), /index-3\.sqlite is damaged .*verify --rebuild/);
    assert.deepEqual(foundIn(await it.verify({ rebuilds: true, airGapped: true })), []);
    const names = await readdir(it.v1);
    assert.equal(names.filter((name) => name.startsWith('index-3.sqlite.aside-')).length, 1);
  });

  it('makes known what lies there and the index does not know, and takes nothing from it', async () => {
    await using it = await serving();
    await writeFile(
      join(it.v1, 'rebuild.json'),
      `{\n${JSON.stringify({
        mediaType: it.image.manifest.mediaType,
        digest: it.image.manifest.digest,
        size: it.image.manifest.size,
        annotations: { 'org.opencontainers.image.ref.name': 'docker.io/acme/again:v9' },
      })}\n]}\n`,
    );
    assert.deepEqual(foundIn(await it.verify({ rebuilds: true })), []);
    assert.ok(!(await readdir(it.v1)).includes('rebuild.json'));
    const again = await ask(it.app.server, '/v2/docker.io/acme/again/manifests/v9');
    assert.deepEqual([again.status, again.headers['docker-content-digest']], [200, it.image.manifest.digest]);
    assert.equal((await ask(it.app.server, '/v2/up/team/app/manifests/v1')).status, 200);
  });
});
