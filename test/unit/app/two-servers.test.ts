import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { App } from '#src/app/app.ts';
import { parseTag } from '#src/oci/reference.ts';
import { loseBlob, removeManifest } from '#src/storage/operation.ts';
import { SqliteMetadataStore } from '#src/storage/sqlite/sqlite-metadata-store.ts';
import { repository } from '#test/fakes/cache-under-test.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

/** Two servers over one directory: the first asks upstream each time, the second never again. */
async function two() {
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const upstream = stack.use(await FakeUpstream.start());
  const settings = {
    registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
    imagePath: directory.path,
  };
  const [first, second] = [
    stack.use(await runApp({ ...settings, cache: { complete: false, freshness: 'always' } })),
    stack.use(await runApp({ ...settings, cache: { complete: false } })),
  ];
  const moved = stack.move();
  const put = (seed: number) =>
    putImage(upstream.content, upstream.repository('team/app'), 'v1', [bytes(1000, seed)]);
  return {
    directory,
    upstream,
    first,
    second,
    put,
    [Symbol.asyncDispose]: async () => await moved.disposeAsync(),
  };
}

const path = '/v2/up/team/app/manifests/v1';

async function digestAt(server: App['server']): Promise<string | string[] | undefined> {
  return (await ask(server, path)).headers['docker-content-digest'];
}

/** Bounded by ten seconds: machines are slow. */
async function until(isSo: () => Promise<boolean>, what: string): Promise<void> {
  const giveUpAt = Date.now() + 10_000;
  while (!(await isSo())) {
    assert.ok(Date.now() < giveUpAt, what);
    await sleep(20);
  }
}

describe('two servers on one directory', () => {
  it('see each other’s moved tags, though neither asks upstream again for what it knows', async () => {
    await using servers = await two();
    const { first, second, put } = servers;
    const before = put(1).manifest.digest;
    for (const { server } of [first, second]) assert.equal(await digestAt(server), before);
    const after = put(2).manifest.digest;
    assert.equal(await digestAt(first.server), after);
    const asked = servers.upstream.requests.length;
    await until(async () => (await digestAt(second.server)) === after, 'the second server has not seen it');
    assert.equal(servers.upstream.requests.length, asked);
  });

  it('miss what another process has removed', async () => {
    await using servers = await two();
    const { directory, second, upstream, put } = servers;
    const image = put(1);
    const layer = image.layers[0]?.digest ?? assert.fail();
    const blob = `/v2/up/team/app/blobs/${layer}`;
    await digestAt(second.server);
    assert.equal((await ask(second.server, blob)).status, 200);
    await until(
      async () => (await ask(second.server, blob)).headers['cache-status'] === 'ociregistry; hit',
      'no hit',
    );
    const v1 = join(directory.path, 'v1');
    {
      await using store = await SqliteMetadataStore.open(v1);
      const name = repository(`${upstream.host}/team/app`);
      await until(async () => (await store.getTag(name, parseTag('v1'))) !== undefined, 'it is not stored');
      await store.change([removeManifest(name, image.manifest.digest), loseBlob(layer)]);
    }
    await rm(join(v1, 'blobs', ...layer.split(':')));
    const asked = () => upstream.requests.length;
    const earlier = asked();
    await until(async () => {
      await digestAt(second.server);
      return asked() > earlier;
    }, 'the manifest is still remembered');
    const { status, body } = await ask(second.server, blob);
    assert.equal(status, 200);
    assert.equal(body.length, 1000);
  });
});
