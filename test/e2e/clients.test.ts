import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { alias, type Client } from './support/client.ts';
import { containerd } from './support/containerd.ts';
import { readImage } from './support/content.ts';
import { craneClient } from './support/crane.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { assertHolds } from './support/held.ts';
import { makeLayer, pushImage, pushIndex } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { podman } from './support/podman.ts';
import { skopeo } from './support/skopeo.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const clients: readonly Client[] = [containerd, podman, skopeo, craneClient];

interface Case {
  readonly what: string;
  readonly repository: string;
  readonly tag: string;
}

const cases: readonly Case[] = [
  { what: 'an OCI index for two platforms', repository: 'library/multi', tag: 'oci' },
  { what: 'a Docker manifest list for two platforms', repository: 'library/multi', tag: 'docker' },
  { what: 'an OCI image under a name of seven parts', repository: 'a/b/c/d/e/f/deep', tag: 'v1' },
  { what: 'a Docker image under an upper-case tag', repository: 'library/tagged', tag: 'V1.0-RC_1' },
];

/** Pushes what the cases name. */
async function fill(upstream: DockerRegistry): Promise<void> {
  await using directory = await temporaryDirectory();
  const layers = [
    await makeLayer(directory.path, 'base', 2_000_000),
    await makeLayer(directory.path, 'app', 300_000),
  ];
  for (const format of ['oci', 'docker'] as const) {
    const images: string[] = [];
    for (const platform of ['linux/amd64', 'linux/arm64']) {
      const reference = `${upstream.host}/library/multi:${format}-${platform.replace('/', '-')}`;
      images.push(await pushImage({ reference, layers, format, platform }));
    }
    await pushIndex(`${upstream.host}/library/multi:${format}`, format, images);
  }
  await pushImage({ reference: `${upstream.host}/a/b/c/d/e/f/deep:v1`, layers, format: 'oci' });
  await pushImage({ reference: `${upstream.host}/library/tagged:V1.0-RC_1`, layers, format: 'docker' });
}

describe('real clients', needs('docker-registry', 'crane'), () => {
  let upstream: DockerRegistry;
  before(async () => {
    upstream = await DockerRegistry.start();
    await fill(upstream);
  });
  after(async () => await upstream[Symbol.asyncDispose]());

  for (const client of clients)
    describe(client.name, needs(...client.programs), () => {
      let server: Ociregistry;
      before(async () => {
        const registries = [{ name: upstream.host, scheme: 'http', alias }];
        server = await Ociregistry.start({ settings: { registries } });
      });
      after(async () => await server[Symbol.asyncDispose]());

      for (const { what, repository, tag } of cases) {
        it(`pulls ${what} as upstream has it, and again from disk alone`, async () => {
          const content = await readImage(`${upstream.url}/v2/${repository}`, tag);
          const pull = async () =>
            await client.pull({ server: server.host, upstream: upstream.host, repository, tag });

          await upstream.takeRequests();
          assertHolds(await pull(), client, content);
          assertAskedOnce(await upstream.takeRequests());

          assertHolds(await pull(), client, content);
          assert.deepEqual(await upstream.takeRequests(), []);
          assert.deepEqual(await readImage(`${server.url}/v2/${alias}/${repository}`, tag), content);
          await server.stores(`${alias}/${repository}`, content.blobs.keys());
          const stored = await server.storedDigests();
          for (const digest of [...content.manifests.keys(), ...content.blobs.keys()])
            assert.ok(stored.has(digest), `${digest} is on disk`);
        });
      }
    });
});

function assertAskedOnce(requests: readonly string[]): void {
  assert.ok(requests.length > 0);
  assert.deepEqual(requests, [...new Set(requests)]);
}
