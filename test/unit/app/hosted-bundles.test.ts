import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Flags } from '#src/config/load.ts';
import { ociIndex, ociManifest } from '#src/oci/media-type.ts';
import { namePatterns } from '#src/values/name-patterns.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { runApp } from '#test/fakes/running-app.ts';

const settings: Flags = { hosted: [{ repositories: ['apps/**'], open: true, immutableTags: ['v*'] }] };
const layer = bytes(100_000, 1);

/** Does so with a server on the directory. */
async function serving<Value>(
  cache: CacheDirectory,
  work: (client: HostedClient) => Promise<Value>,
): Promise<Value> {
  await using app = await runApp(cache.settings);
  return await work(new HostedClient(app.server.url, 'apps/web'));
}

/** A cache that holds two images, one of which has a signature, and a bundle of what is meant. */
async function exported(pattern: string) {
  const cache = await CacheDirectory.make(settings);
  const image = await serving(cache, async (client) => {
    const pushed = await client.pushImage('v1', [layer]);
    const subject = { mediaType: ociManifest, digest: pushed.digest, size: pushed.bytes.length };
    const signature = await client.made([bytes(10, 3)], { artifactType: 'application/x.sig', subject });
    assert.equal((await client.putManifest(signature.digest, signature.bytes)).status, 201);
    await new HostedClient(client.url, 'apps/other').pushImage('latest', [bytes(10, 4)]);
    return pushed;
  });
  const to = join(cache.path, 'bundle.tar');
  const { images } = await cache.export(to, { matches: namePatterns(pattern) });
  return { cache, image, to, names: images.map(({ name }) => name) };
}

describe('a bundle of what lives here', () => {
  it('is selected by the names that people know, and lives again where it is imported', async () => {
    const { cache, image, to, names } = await exported('^apps/web[:@]');
    await using _ = cache;
    assert.equal(names.length, 2);
    assert.ok(names.includes('hosted.invalid/apps/web:v1'), String(names));
    await using other = await CacheDirectory.make(settings);
    assert.deepEqual(
      problemsOf(await other.import([to])).map(([, problem]) => problem),
      [undefined, undefined],
    );
    await serving(other, async (client) => {
      const got = await client.call('GET', 'manifests/v1');
      assert.deepEqual(Buffer.from(await got.arrayBuffer()), image.bytes);
      for (const blob of image.blobs) assert.equal(await client.status('GET', `blobs/${blob}`), 200);
      const { manifests } = (await client.json(`referrers/${image.digest}`)) as { manifests: object[] };
      assert.equal(manifests.length, 1);
      // It is pushed to as ever, and stays what it is.
      assert.equal((await client.putManifest('v1', (await client.made([bytes(5, 9)])).bytes)).status, 409);
      assert.equal(await client.status('DELETE', `manifests/${image.digest}`), 403);
    });
  });

  it('has also what names nothing: an index before its first image, what is all in its annotations', async () => {
    await using cache = await CacheDirectory.make(settings);
    const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociIndex, manifests: [] }));
    const note = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: ociManifest, annotations: {} }));
    await serving(cache, async (client) => {
      assert.equal((await client.putManifest('index', index, ociIndex)).status, 201);
      assert.equal((await client.putManifest('note', note)).status, 201);
    });
    const to = join(cache.path, 'bundle.tar');
    const { images } = await cache.export(to);
    assert.deepEqual(
      images.map(({ problem }) => problem),
      [undefined, undefined],
    );
    await using other = await CacheDirectory.make(settings);
    assert.deepEqual(
      problemsOf(await other.import([to])).map(([, problem]) => problem),
      [undefined, undefined],
    );
    await serving(other, async (client) => {
      for (const [tag, pushed] of Object.entries({ index, note })) {
        const got = await client.call('GET', `manifests/${tag}`);
        assert.deepEqual(Buffer.from(await got.arrayBuffer()), pushed);
      }
    });
  });

  it('is refused in words where no such name lives', async () => {
    const { cache, to } = await exported('^apps/web:');
    await using _ = cache;
    const elsewhere: Flags = { hosted: [{ repositories: ['test/**'], open: true }] };
    for (const more of [{}, elsewhere]) {
      await using other = await CacheDirectory.make(more);
      for (const [, problem] of problemsOf(await other.import([to])))
        assert.match(
          problem ?? '',
          /^apps\/web[:@].* lived in the registry .* no pattern below "hosted" matches/,
        );
      const [got] = await other.served('docker.io/apps/web/manifests/v1');
      assert.equal(got?.[0], 404);
    }
  });

  it('moves no tag that is immutable', async () => {
    const { cache, to } = await exported('^apps/web:');
    await using _ = cache;
    await using other = await CacheDirectory.make(settings);
    const { digest } = await serving(other, async (client) => await client.pushImage('v1', [bytes(7, 7)]));
    const problems = problemsOf(await other.import([to])).map(([, problem]) => problem);
    assert.ok(problems.includes('its tag is immutable here, and points elsewhere'), String(problems));
    await serving(other, async (client) => {
      const got = await client.call('HEAD', 'manifests/v1');
      assert.equal(got.headers.get('docker-content-digest'), digest);
    });
    // The same again is none.
    assert.deepEqual(
      new Set(problemsOf(await cache.import([to])).map(([, problem]) => problem)),
      new Set([undefined]),
    );
  });
});
