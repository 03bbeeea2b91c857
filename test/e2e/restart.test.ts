import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { alias } from './support/client.ts';
import { readImage } from './support/content.ts';
import { crane, craneClient } from './support/crane.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { StallingWire } from './support/stalling-wire.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const mebibyte = 1024 * 1024;

async function fill(upstream: DockerRegistry, layerSize: number): Promise<void> {
  await using directory = await temporaryDirectory();
  const layers = [await makeLayer(directory.path, 'content', layerSize)];
  await pushImage({ reference: `${upstream.host}/library/app:v1`, layers, format: 'docker' });
}

describe('a restart', needs('docker-registry', 'crane'), () => {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    it(`by ${signal} keeps two tags of one digest`, async () => {
      await using upstream = await DockerRegistry.start();
      await fill(upstream, 100_000);
      await crane('tag', `${upstream.host}/library/app:v1`, 'stable');
      const registries = [{ name: upstream.host, scheme: 'http', alias }];
      await using server = await Ociregistry.start({ settings: { registries } });
      const read = async (tag: string) => await readImage(`${server.url}/v2/${alias}/library/app`, tag);
      const v1 = await read('v1');
      assert.deepEqual(await read('stable'), v1);

      // A crash may lose what was served this moment, an orderly end must not.
      if (signal === 'SIGKILL') await server.stores(`${alias}/library/app`, v1.blobs.keys());
      await server.stop(signal);
      await upstream.stop();
      await server.startAgain();
      assert.deepEqual(await read('stable'), v1);
      assert.deepEqual(await read('v1'), v1);
    });
  }

  it('by SIGKILL in the middle of a fill leaves nothing half-written among the blobs', async () => {
    await using upstream = await DockerRegistry.start();
    await fill(upstream, 16 * mebibyte);
    const content = await readImage(`${upstream.url}/v2/library/app`, 'v1');
    const [big] = [...content.blobs].filter(([, bytes]) => bytes.length > mebibyte).map(([digest]) => digest);
    assert.ok(big);
    await using wire = await StallingWire.open(upstream.url, 4 * mebibyte);
    const registries = [{ name: wire.host, scheme: 'http', alias }];
    await using server = await Ociregistry.start({ settings: { registries } });
    const pull = async () =>
      await craneClient.pull({
        server: server.host,
        upstream: wire.host,
        repository: 'library/app',
        tag: 'v1',
      });

    const interrupted = assert.rejects(pull());
    await until('a part of the blob is on disk', async () => (await server.partialBytes()) > mebibyte);
    await server.stop('SIGKILL');
    await interrupted;
    assert.ok(!(await server.storedDigests()).has(big));

    wire.repair();
    await server.startAgain();
    assert.ok(!(await server.storedDigests()).has(big));
    assert.ok((await pull()).has(big));
    await server.stores(`${alias}/library/app`, [big]);
    assert.ok((await server.storedDigests()).has(big));
  });
});
