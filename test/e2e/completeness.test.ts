import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { alias } from './support/client.ts';
import { Containerd, containerd } from './support/containerd.ts';
import { readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { skopeo } from './support/skopeo.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

/** Pushes a base image, and one that adds a layer to it. Returns the digest of the layer that they share. */
async function fill(upstream: DockerRegistry): Promise<string> {
  await using directory = await temporaryDirectory();
  const base = await makeLayer(directory.path, 'base', 3_000_000);
  const app = await makeLayer(directory.path, 'app', 100_000);
  await pushImage({ reference: `${upstream.host}/library/base:v1`, layers: [base], format: 'oci' });
  await pushImage({ reference: `${upstream.host}/library/app:v1`, layers: [base, app], format: 'oci' });
  const { blobs } = await readImage(`${upstream.url}/v2/library/base`, 'v1');
  const [shared] = [...blobs].filter(([, bytes]) => bytes.length > 3_000_000).map(([digest]) => digest);
  assert.ok(shared);
  return shared;
}

describe(
  'an image of which the first client had the base',
  needs('docker-registry', 'crane', 'containerd', 'skopeo'),
  () => {
    it('is whole for an empty client when upstream is gone, also after a crash', async () => {
      await using upstream = await DockerRegistry.start();
      const shared = await fill(upstream);
      const registries = [{ name: upstream.host, scheme: 'http', alias }];
      await using server = await Ociregistry.start({ settings: { registries } });
      const pull = () => ({
        server: server.host,
        upstream: upstream.host,
        repository: 'library/app',
        tag: 'v1',
      });

      await using first = await Containerd.start();
      await first.pullDirectly(upstream.host, 'library/base', 'v1');
      await first.pull(pull());
      assert.ok((await first.digests()).has(shared));
      assert.ok(
        !server.requests().some((request) => request.includes(shared)),
        'nobody asked us for the base',
      );

      const content = await readImage(`${upstream.url}/v2/library/app`, 'v1');
      await server.stores(`${alias}/library/app`, content.blobs.keys());
      await upstream.stop();
      const whole = new Set([...content.manifests.keys(), ...content.blobs.keys()]);
      assert.deepEqual(await containerd.pull(pull()), whole);

      await server.stop('SIGKILL');
      await server.startAgain();
      assert.deepEqual(await containerd.pull(pull()), whole);
      assert.ok((await skopeo.pull(pull())).isSupersetOf(whole));
    });
  },
);
