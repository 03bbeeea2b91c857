import assert from 'node:assert/strict';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { sha256 } from '#src/oci/digest.ts';
import { FakeClock } from '#test/fakes/fake-clock.ts';
import { FakeUpstream } from '#test/fakes/fake-upstream.ts';
import { bytes, putImage } from '#test/fakes/images.ts';
import { ask } from '#test/fakes/registry-server.ts';
import { runApp, temporaryDirectory } from '#test/fakes/running-app.ts';

const layer = Buffer.from(bytes(300_000));

describe('cache.scrub', () => {
  it('finds in a running server what a disk has forgotten, and counts it', async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await FakeUpstream.start();
    putImage(upstream.content, upstream.repository('team/app'), 'v1', [layer]);
    const settings = {
      registries: [{ name: upstream.host, scheme: 'http' as const, alias: 'up' }],
      imagePath: directory.path,
    };
    const path = `/v2/up/team/app/blobs/${sha256(layer)}`;
    let metrics = 0;
    {
      await using app = await runApp(settings);
      assert.equal((await ask(app.server, path)).status, 200);
      metrics = app.server.port;
      await app.stop();
    }
    await using file = await open(join(directory.path, 'v1/blobs/sha256', sha256(layer).slice(7)), 'r+');
    const { atime, mtime } = await file.stat();
    await file.write('rot', 1000);
    await file.utimes(atime, mtime);
    const clock = new FakeClock();
    await using app = await runApp({ ...settings, metrics, cache: { scrub: '1d' } }, { clock });
    const isCounted = async (): Promise<boolean> =>
      /ociregistry_checked_blobs_total\{by="scrub",verdict="wrong"\} 1/.test(
        (await ask({ port: metrics }, '/metrics')).body.toString(),
      );
    // It is counted a moment after it was put aside.
    const giveUpAt = Date.now() + 10_000;
    while (!(await isCounted())) {
      assert.ok(Date.now() < giveUpAt, 'it is not found and counted');
      await clock.advance(60_000);
      await setTimeout(10);
    }
    assert.ok((await readdir(join(directory.path, 'v1'))).includes('quarantine'));
    assert.ok((await ask(app.server, path)).body.equals(layer));
  });
});
