import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { CacheDirectory } from '#test/fakes/cache-directory.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { builtImage, layoutFiles } from '#test/fakes/layouts.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp } from '#test/fakes/running-app.ts';

describe('clients that wait for an upstream which is silent', () => {
  it('are given what an import beside the server brings', { timeout: 15_000 }, async () => {
    await using cache = await CacheDirectory.make();
    await using upstream = await FakeUpstream.start();
    upstream.faults.push(async ({ path }, next) =>
      path.includes('/team/app/') ? await new Promise(() => {}) : await next(),
    );
    await using app = await runApp({
      imagePath: cache.imagePath,
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
    });
    const image = builtImage(1);
    const [layer = assert.fail(), config = assert.fail()] = image.contents;
    const manifest = `/v2/up/team/app/manifests/`;
    const waiting = [
      ask(app.server, `${manifest}v1`),
      ask(app.server, `${manifest}v2`, { method: 'HEAD' }),
      ask(app.server, `${manifest}${sha256(image.manifest)}`),
      ask(app.server, `/v2/up/team/app/blobs/${sha256(layer)}`),
      ask(app.server, `/v2/up/team/app/blobs/${sha256(config)}`),
      ask(app.server, `/v2/up/team/app/blobs/${sha256(layer)}`, { headers: { range: 'bytes=100000-' } }),
    ];
    await upstream.asked(5);
    const name = `${upstream.host}/team/app`;
    const layout = await cache.folder(
      'layout',
      layoutFiles({ [`${name}:v1`]: image, [`${name}:v2`]: image }),
    );
    for (const { problem } of await cache.import([layout])) assert.equal(problem, undefined);
    const answers = await Promise.all(waiting);
    assert.deepEqual(
      answers.map(({ status, body, headers }) => [status, sha256(body), headers['cache-status']]),
      [
        [200, sha256(image.manifest), 'ociregistry; hit'],
        [200, sha256(Buffer.alloc(0)), 'ociregistry; hit'],
        [200, sha256(image.manifest), 'ociregistry; hit'],
        [200, sha256(layer), 'ociregistry; hit'],
        [200, sha256(config), 'ociregistry; hit'],
        [206, sha256(layer.subarray(100_000)), 'ociregistry; hit'],
      ],
    );
  });
});
