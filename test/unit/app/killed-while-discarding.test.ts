import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { verifyStore } from '#src/app/verify.ts';
import { loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';
import { Trash } from '#src/storage/file/trash.ts';
import { putManifest, settleDiscarded } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layers = [Buffer.from(bytes(300_000)), Buffer.from(bytes(2000, 2))];

/** A directory that was filled by an upstream that has gone, and the server across the air gap that has just been started over it. */
async function filled() {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await temporaryDirectory());
  await using upstream = await FakeUpstream.start();
  const name = repository(`${upstream.host}/team/app`);
  const image = putImage(upstream.content, upstream.repository('team/app'), 'v1', layers);
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: path,
  };
  const digests = [image.manifest, image.config, ...image.layers].map((descriptor) => descriptor.digest);
  const pathOf = (digest: Digest): string =>
    `/v2/up/team/app/${digest === image.manifest.digest ? 'manifests' : 'blobs'}/${digest}`;
  {
    await using app = await runApp(settings);
    for (const digest of digests) assert.equal((await ask(app.server, pathOf(digest))).status, 200);
    await app.stop();
  }
  const v1 = join(path, 'v1');
  const fileOf = (digest: Digest): string => join(v1, 'blobs', ...digest.split(':'));
  const { server } = stack.use(await runApp({ ...settings, airGapped: true }));
  // It has looked through what was discarded, as it does every ten minutes.
  assert.equal((await ask(server, '/v2/')).status, 200);
  const moved = stack.move();
  return {
    ...{ v1, name, image, settings, digests, pathOf, fileOf, server },
    /** As a process does it that is killed before it commits. */
    discard: (): void => {
      for (const digest of digests) assert.equal(new Trash(v1).take(digest, Date.now() + 60_000), 'taken');
    },
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

async function assertServed(server: { readonly port: number }, path: string): Promise<void> {
  for (const method of ['HEAD', 'GET']) {
    const answer = await ask(server, path, { method });
    assert.equal(answer.status, 200, `${method} ${path} ${answer.body}`);
    if (method === 'GET') assert.ok(path.endsWith(sha256(answer.body)), path);
  }
}

describe('what a process has moved away that was killed before it had said so', () => {
  it('is served across an air gap, to the first who asks, and lies in its place again', async () => {
    await using it = await filled();
    it.discard();
    for (const digest of it.digests) await assertServed(it.server, it.pathOf(digest));
    for (const digest of it.digests) assert.ok(existsSync(it.fileOf(digest)), digest);
  });

  it('is served to many who ask at once', async () => {
    await using it = await filled();
    it.discard();
    const paths = it.digests.flatMap((digest) => Array.from({ length: 4 }, () => it.pathOf(digest)));
    await Promise.all(paths.map(async (path) => await assertServed(it.server, path)));
  });

  it('is right to verify', async () => {
    await using it = await filled();
    it.discard();
    const { config } = await loadConfig({ flags: { ...it.settings, airGapped: true }, env: {} });
    const parts = { version: '0', env: {}, log: new LogLines(), signal: new AbortController().signal };
    const order = { rate: 0, repairs: false, rebuilds: false };
    const files = await Array.fromAsync(verifyStore(config, { ...parts, ...order }));
    assert.deepEqual(
      files.map(({ verdict }) => verdict),
      it.digests.map(() => 'right'),
    );
    assert.deepEqual(await readdir(join(it.v1, 'trash')), []);
  });

  it('is served to an image that names it since: by a process that was killed indeed', async () => {
    await using it = await filled();
    const { manifest, config, layers: its } = it.image;
    const [layer] = its;
    assert.ok(layer);
    const child = fork(join(import.meta.dirname, '../../fakes/discarding-child.ts'), [
      ...[it.v1, it.name, manifest.digest, layer.digest],
    ]);
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
    assert.deepEqual([code, signal], [null, 'SIGKILL']);
    assert.equal(existsSync(it.fileOf(layer.digest)), false);
    await using index = await SqliteMetadataStore.open(it.v1);
    assert.equal(await index.getManifest(it.name, manifest.digest), undefined);
    await index.change([putManifest(it.name, { descriptor: manifest, blobs: [config, ...its] })]);
    for (const digest of it.digests) await assertServed(it.server, it.pathOf(digest));
    // Whoever looks through what was discarded finds nothing to be put back any more.
    const trash = new Trash(it.v1);
    assert.deepEqual(await trash.list(10), []);
    await index.change([settleDiscarded([layer.digest])]);
    assert.equal(existsSync(it.fileOf(layer.digest)), true);
  });
});
