import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { pruneImages } from '#src/app/prune.ts';
import { type Flags, loadConfig } from '#src/config/load.ts';
import { sha256 } from '#src/oci/digest.ts';
import { namePatterns } from '#src/values/name-patterns.ts';
import { CacheDirectory, problemsOf } from '#test/fakes/cache-directory.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp } from '#test/fakes/running-app.ts';

const shared = Buffer.from(bytes(200_000, 1));
const hosted: Flags['hosted'] = [{ repositories: ['apps/**'], open: true, immutableTags: ['v*'] }];

/** Does so with a server on the directory, which knows all that is listed. */
async function serving<Value>(
  cache: CacheDirectory,
  work: (client: HostedClient, server: { readonly port: number }) => Promise<Value>,
): Promise<Value> {
  await using app = await runApp(cache.settings);
  const giveUpAt = Date.now() + 10_000;
  while ((await readdir(join(cache.imagePath, 'v1'))).some((name) => name.startsWith('rebuil'))) {
    assert.ok(Date.now() < giveUpAt, 'the index is never known');
    await sleep(20);
  }
  return await work(new HostedClient(app.server.url, 'apps/web'), app.server);
}

/** Whoever made the index anew has ended when it knew those names alone whose lines in the list have these words. */
async function knowsOnly(cache: CacheDirectory, words: string): Promise<void> {
  const v1 = join(cache.imagePath, 'v1');
  const list = await readFile(join(v1, 'index.json'), 'utf8');
  const isLeft = (line: string): boolean => !line.startsWith('{"mediaType"') || line.includes(words);
  for (const name of await readdir(v1)) if (name.startsWith('index')) await rm(join(v1, name));
  await writeFile(join(v1, 'index.json'), list.split('\n').filter(isLeft).join('\n'));
  await serving(cache, async () => {});
  await writeFile(join(v1, 'rebuild.json'), list);
}

describe('while a lost index is made anew', () => {
  it('no bytes go with an image that another needs which is not known yet', async () => {
    await using upstream = await FakeUpstream.start();
    const { manifest, config } = putImage(upstream.content, upstream.repository('team/app'), 'old', [shared]);
    const registries = [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }];
    await using cache = await CacheDirectory.make({ registries, hosted, cache: { complete: false } });
    const settings = { ...cache.settings, airGapped: false };
    const image = await (async () => {
      await using app = await runApp(settings);
      for (const path of ['manifests/old', `blobs/${config.digest}`, `blobs/${sha256(shared)}`])
        assert.equal((await ask(app.server, `/v2/up/team/app/${path}`)).status, 200);
      return await new HostedClient(app.server.url, 'apps/web').pushImage('v1', [shared]);
    })();
    await knowsOnly(cache, manifest.digest);
    const gone: string[] = [];
    await pruneImages(
      (await loadConfig({ flags: cache.settings, env: {} })).config,
      { matches: namePatterns('team/app:old') },
      false,
      async ({ digest }) => void gone.push(digest),
      { log: new LogLines(), signal: new AbortController().signal, graceMs: -1000 },
    );
    assert.deepEqual(gone, [manifest.digest]);
    await serving(cache, async (client) => {
      assert.equal(await client.status('GET', 'manifests/v1'), 200);
      for (const blob of image.blobs) assert.equal(await client.status('GET', `blobs/${blob}`), 200);
    });
  });

  it('nothing is imported to an immutable tag that may point elsewhere', async () => {
    await using other = await CacheDirectory.make({ hosted });
    await serving(other, async (client) => await client.pushImage('v1', [bytes(7, 7)]));
    const bundle = join(other.path, 'bundle.tar');
    await other.export(bundle);
    await using cache = await CacheDirectory.make({ hosted });
    const { digest } = await serving(cache, async (client) => {
      await new HostedClient(client.url, 'apps/other').pushImage('latest', [bytes(5, 5)]);
      return await client.pushImage('v1', [shared]);
    });
    await knowsOnly(cache, 'apps/other');
    const problems = problemsOf(await cache.import([bundle])).map(([, problem]) => problem);
    assert.match(String(problems), /its tag is immutable, and the index is being made anew/);
    await serving(cache, async (client) => {
      const got = await client.call('HEAD', 'manifests/v1');
      assert.equal(got.headers.get('docker-content-digest'), digest);
    });
  });
});
