import assert from 'node:assert/strict';
import { cp, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { needs } from '../setup/needs.ts';
import { Containerd } from './support/containerd.ts';
import { type ImageContent, readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { Dockerd } from './support/dockerd.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { pullBy } from './support/podman.ts';
import { type TemporaryDirectory, temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

/** What an operator copies, as if it were the root directory of a node. */
const files = join(import.meta.dirname, '../../config/clients');

/** Where the files say the cache is. */
const cache = 'cache:8080';

describe('the client configuration that we ship', needs('docker-registry', 'crane'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let directory: TemporaryDirectory;
  let upstream: DockerRegistry;
  let image: ImageContent;

  before(async () => {
    directory = resources.use(await temporaryDirectory());
    upstream = resources.use(await DockerRegistry.start());
    const layers = [await makeLayer(directory.path, 'layer', 300_000)];
    await pushImage({ reference: `${upstream.host}/library/tiny:v1`, layers, format: 'oci' });
    image = await readImage(`${upstream.url}/v2/library/tiny`, 'v1');
  });

  /** A cache that takes the upstream for Docker Hub, as far as its clients can tell. */
  const startServer = async (): Promise<Ociregistry> => {
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'hub' }];
    return await Ociregistry.start({ settings: { registries, defaultNs: upstream.host } });
  };

  describe('of containerd', needs('containerd'), () => {
    /** A copy of certs.d for this cache, with one folder under another name. */
    const hostsFor = async (server: Ociregistry, folder: string, name: string): Promise<string> => {
      const hosts = join(directory.path, folder);
      await cp(join(files, 'etc/containerd/certs.d', folder), join(hosts, folder), { recursive: true });
      if (folder !== name) await rename(join(hosts, folder), join(hosts, name));
      const file = join(hosts, name, 'hosts.toml');
      const text = (await readFile(file, 'utf8'))
        .replace(cache, server.host)
        .replace('https://registry-1.docker.io', upstream.url);
      await writeFile(file, text);
      return hosts;
    };

    for (const [what, folder] of [
      ['every registry', '_default'],
      ['one registry', 'docker.io'],
    ] as const) {
      it(`sends pulls of ${what} through the cache, and past it when it is away`, async () => {
        await using server = await startServer();
        const hosts = await hostsFor(server, folder, folder === '_default' ? folder : upstream.host);
        {
          await using client = await Containerd.start();
          await client.pullBy(hosts, `${upstream.host}/library/tiny:v1`);
          assert.ok((await client.digests()).isSupersetOf(digestsOf(image)));
        }
        await stored(server, image);
        await server.stop('SIGTERM');
        await using client = await Containerd.start();
        await client.pullBy(hosts, `${upstream.host}/library/tiny:v1`);
        assert.ok((await client.digests()).isSupersetOf(digestsOf(image)));
      });
    }
  });

  it('of Podman and CRI-O sends pulls through the cache', needs('podman'), async () => {
    await using server = await startServer();
    const text = await readFile(join(files, 'etc/containers/registries.conf.d/ociregistry.conf'), 'utf8');
    const settings = text
      .replace('location = "docker.io"', 'location = "127.0.0.1:1"')
      .replace(`${cache}/docker.io`, `${server.host}/hub`);
    assert.ok((await pullBy(settings, 'docker.io/library/tiny:v1')).has(image.digest));
    await stored(server, image);
  });

  it('of Docker sends pulls from Docker Hub through the cache', needs('dockerd'), async () => {
    await using server = await startServer();
    const text = await readFile(join(files, 'etc/docker/daemon.json'), 'utf8');
    await using daemon = await Dockerd.start(text.replaceAll(cache, server.host));
    assert.equal(await daemon.pull('library/tiny:v1'), image.digest);
    await stored(server, image);
  });
});

/** The cache writes behind what it serves. */
async function stored(server: Ociregistry, image: ImageContent): Promise<void> {
  await until(
    'the cache holds the image',
    async () => (await server.storedDigests()).isSupersetOf(digestsOf(image)),
    5000,
  );
}

function digestsOf({ manifests, blobs }: ImageContent): Set<string> {
  return new Set([...manifests.keys(), ...blobs.keys()]);
}
