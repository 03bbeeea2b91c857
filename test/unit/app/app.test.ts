import assert from 'node:assert/strict';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { App } from '#src/app/app.ts';
import type { Log } from '#src/base/log.ts';
import { parseTag } from '#src/oci/reference.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, type Image, putImage } from '#test/fakes/images.ts';
import { ask, codeOf } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';
import { failing } from '#test/fakes/upstream-faults.ts';

const layers = [bytes(300_000, 1), bytes(1000, 2)];

function put(upstream: FakeUpstream, path = 'team/app', tag = 'v1'): Image {
  return putImage(upstream.content, upstream.repository(path), tag, layers);
}

function configured(upstream: FakeUpstream) {
  return { registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }] };
}

/** Settles when every blob of the image lies in the cache, fetched by whomever. */
async function untilComplete(app: App, image: Image, path = 'up/team/app'): Promise<void> {
  for (const { digest } of [image.config, ...image.layers]) {
    const blob = `/v2/${path}/blobs/${digest}`;
    await ask(app.server, blob);
    const isStored = async () => {
      const { headers } = await ask(app.server, blob, { method: 'HEAD' });
      return headers['cache-status'] === 'ociregistry; hit';
    };
    const giveUpAt = Date.now() + 10_000;
    while (!(await isStored())) assert.ok(Date.now() < giveUpAt, `${digest} is not stored`);
  }
}

describe('the program', () => {
  it('pulls through by host, alias, ns and defaultNs, and asks upstream once', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    const image = put(upstream);
    await using app = await runApp({
      ...configured(upstream),
      imagePath: directory.path,
      defaultNs: upstream.host,
      cache: { complete: false },
    });
    const paths = [
      `/v2/${upstream.host}/team/app/manifests/v1`,
      '/v2/up/team/app/manifests/v1',
      `/v2/team/app/manifests/v1?ns=${upstream.host}`,
      '/v2/team/app/manifests/v1',
      `/v2/team/app/manifests/${image.manifest.digest}`,
    ];
    for (const path of paths) {
      const { status, headers } = await ask(app.server, path);
      assert.equal(status, 200, path);
      assert.equal(headers['docker-content-digest'], image.manifest.digest);
    }
    assert.deepEqual(upstream.calls, ['GET /v2/team/app/manifests/v1']);
  });

  it('serves a complete image after a restart with the upstream gone, though no client asked for all of it', async () => {
    await using directory = await temporaryDirectory();
    const upstream = await FakeUpstream.start();
    const image = put(upstream);
    const name = upstream.repository('team/app');
    const { bytes: manifest } = await upstream.content.getManifest(name, image.manifest.digest);
    upstream.content.putManifest(name, parseTag('v1.2'), manifest, image.manifest.mediaType);
    const settings = { ...configured(upstream), imagePath: directory.path };
    {
      await using app = await runApp(settings);
      await ask(app.server, '/v2/up/team/app/manifests/v1');
      await ask(app.server, '/v2/up/team/app/manifests/v1.2');
      await untilComplete(app, image);
      await app.stop();
    }
    const asked = upstream.requests.length;
    await upstream[Symbol.asyncDispose]();
    for (const airGapped of [false, true]) {
      await using app = await runApp({ ...settings, airGapped });
      for (const tag of ['v1', 'v1.2']) {
        const { headers } = await ask(app.server, `/v2/up/team/app/manifests/${tag}`);
        assert.equal(headers['docker-content-digest'], image.manifest.digest, tag);
      }
      for (const [index, { digest }] of image.layers.entries()) {
        const { body, headers } = await ask(app.server, `/v2/up/team/app/blobs/${digest}`);
        assert.equal(headers['cache-status'], 'ociregistry; hit');
        assert.ok(body.equals(layers[index] ?? Buffer.alloc(0)));
      }
      const missing = await ask(app.server, '/v2/up/team/other/manifests/v1');
      assert.equal(missing.status, airGapped ? 404 : 502);
      const tags = await ask(app.server, '/v2/up/team/app/tags/list');
      assert.deepEqual(JSON.parse(tags.body.toString()).tags, ['v1', 'v1.2']);
    }
    assert.equal(upstream.requests.length, asked);
  });

  it('removes a blob that is too short on disk, or too long, and fetches it again', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    const image = put(upstream);
    await using app = await runApp({ ...configured(upstream), imagePath: directory.path });
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await untilComplete(app, image);
    const [layer] = image.layers;
    assert.ok(layer);
    const path = `/v2/up/team/app/blobs/${layer.digest}`;
    const file = join(directory.path, 'v1/blobs/sha256', layer.digest.slice('sha256:'.length));
    for (const size of [1000, 0, layer.size + 1]) {
      await truncate(file, size);
      const head = await ask(app.server, path, { method: 'HEAD' });
      assert.equal(head.headers['content-length'], String(layer.size));
      assert.ok((await ask(app.server, path)).body.equals(layers[0] ?? Buffer.alloc(0)));
      await untilComplete(app, image);
    }
    const gets = upstream.calls.filter((call) => call === `GET /v2/team/app/blobs/${layer.digest}`);
    assert.equal(gets.length, 4);
  });

  it('completes nothing after a restart where it was told not to', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    put(upstream);
    const clock = new FakeClock();
    const settings = { ...configured(upstream), imagePath: directory.path, cache: { complete: false } };
    for (let start = 0; start < 2; start += 1) {
      await using app = await runApp(settings, { clock });
      assert.equal((await ask(app.server, '/v2/up/team/app/manifests/v1')).status, 200);
      for (let turn = 0; turn < 20; turn += 1) {
        await clock.advance(250);
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
    assert.deepEqual(upstream.calls, ['GET /v2/team/app/manifests/v1']);
  });

  it('refuses a private address that is not configured, and says what to add', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    put(upstream);
    await using app = await runApp({ imagePath: directory.path });
    const names = [
      upstream.host,
      `localhost:${upstream.port}`,
      `127.1:${upstream.port}`,
      '169.254.169.254',
      '[::1]:80',
    ];
    for (const host of names) {
      const got = await ask(app.server, `/v2/${host}/team/app/manifests/v1`);
      assert.equal(got.status, 403, host);
      assert.equal(codeOf(got), 'DENIED');
      assert.match(
        got.body.toString(),
        new RegExp(`registries:\\\\n {2}- name: ${host.replaceAll(/[[\]]/g, '\\$&')}`),
      );
    }
    assert.equal(upstream.connections, 0);
  });

  it('does not start where its directory cannot be made, and says which', async () => {
    await using directory = await temporaryDirectory();
    const file = join(directory.path, 'file');
    await writeFile(file, '');
    await assert.rejects(
      runApp({ imagePath: join(file, 'cache') }),
      /^Error: unable to verify image path: ENOTDIR.*file\/cache/,
    );
  });

  it('asks no registry that is not configured when told so', async () => {
    await using directory = await temporaryDirectory();
    await using app = await runApp({ imagePath: directory.path, unknownRegistries: 'none' });
    const got = await ask(app.server, '/v2/registry.example.com/team/app/manifests/v1');
    assert.equal(got.status, 403);
    assert.match(got.body.toString(), /registry.example.com.* is not configured/);
  });

  it('serves stale, and says why, when a tag should be asked for and upstream fails', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    put(upstream);
    const warnings: string[] = [];
    const log: Log = {
      debug() {},
      info() {},
      warn: (_fields, message) => warnings.push(message),
      error() {},
    };
    await using app = await runApp(
      { ...configured(upstream), imagePath: directory.path, cache: { freshness: 'always', complete: false } },
      { log },
    );
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    assert.deepEqual(upstream.calls, ['GET /v2/team/app/manifests/v1', 'HEAD /v2/team/app/manifests/v1']);
    upstream.faults.push(failing(403));
    const { status, headers } = await ask(app.server, '/v2/up/team/app/manifests/v1');
    assert.equal(status, 200);
    assert.equal(headers['cache-status'], 'ociregistry; hit; detail="stale: upstream denied access"');
    assert.deepEqual(warnings, ['serving a stale tag: upstream denied access']);
  });

  it('shares nothing with a second one in the same process', async () => {
    await using one = await temporaryDirectory();
    await using other = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    put(upstream);
    const settings = { ...configured(upstream), cache: { complete: false } };
    await using first = await runApp({ ...settings, imagePath: one.path });
    await using second = await runApp({ ...settings, imagePath: other.path });
    for (const app of [first, second]) await ask(app.server, '/v2/up/team/app/manifests/v1');
    assert.equal(upstream.calls.length, 2);
  });

  it('is alive and ready on the health port, and not ready while it stops', async () => {
    await using directory = await temporaryDirectory();
    const clock = new FakeClock();
    const free = await runApp({ imagePath: directory.path });
    const health = free.server.port;
    await free.stop();
    const settings = { imagePath: directory.path, health, server: { shutdownDelay: '10s' } };
    await using app = await runApp(settings, { clock });
    for (const path of ['/health', '/livez', '/readyz']) {
      assert.equal((await ask({ port: health }, path)).status, 200, path);
    }
    assert.equal((await ask({ port: health }, '/v2/')).status, 404);
    const stopping = app.stop();
    const ready = await ask({ port: health }, '/readyz');
    assert.equal(ready.status, 503);
    assert.deepEqual(JSON.parse(ready.body.toString()), {
      status: 'not ready',
      reason: 'the server is stopping',
    });
    assert.equal((await ask({ port: health }, '/livez')).status, 200);
    assert.equal((await ask(app.server, '/v2/')).status, 200);
    await clock.advance(10_000);
    await stopping;
  });

  it('lists the repositories of which it has something', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    put(upstream);
    await using app = await runApp({ ...configured(upstream), imagePath: directory.path });
    await ask(app.server, '/v2/up/team/app/manifests/v1');
    await app.stop();
    await using again = await runApp({ ...configured(upstream), imagePath: directory.path, airGapped: true });
    const catalog = await ask(again.server, '/v2/_catalog');
    assert.deepEqual(JSON.parse(catalog.body.toString()), { repositories: ['up/team/app'] });
  });

  it('says which alias was probably meant, and asks nobody', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    await using app = await runApp({ ...configured(upstream), imagePath: directory.path });
    const answer = await ask(app.server, '/v2/pu/team/app/manifests/v1');
    assert.equal(answer.status, 400);
    assert.match(answer.body.toString(), /Did you mean the alias \\"up\\"\?/);
    assert.deepEqual(upstream.requests, []);
  });
});
