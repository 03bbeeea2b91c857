import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { root } from '#test/docs/block.ts';
import { command } from '../e2e/support/command.ts';
import { Containerd } from '../e2e/support/containerd.ts';
import { digestOf, type ImageContent, readImage } from '../e2e/support/content.ts';
import { crane } from '../e2e/support/crane.ts';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { Dockerd } from '../e2e/support/dockerd.ts';
import { makeLayer, pushImage } from '../e2e/support/images.ts';
import { savedByPodman } from '../e2e/support/podman.ts';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs, programOf } from '../setup/needs.ts';

const bin = join(root, 'src/bin.js');

const name = 'quay.io/team/app';

interface Parts {
  readonly config: string;
  /** Of their tar files, whether they were compressed or not. */
  readonly layers: readonly string[];
}

/** What of an image is the same, by whatever client it was unpacked and packed again. */
function partsOf({ digest, manifests, blobs }: ImageContent): Parts {
  const { config, layers } = JSON.parse(manifests.get(digest)?.toString() ?? '') as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  return {
    config: config.digest,
    layers: layers.map((layer) => {
      const bytes = blobs.get(layer.digest) ?? assert.fail();
      return digestOf(bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes);
    }),
  };
}

describe('tars that clients write', needs('docker-registry', 'crane', 'skopeo'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let path: string;
  let upstream: DockerRegistry;
  let image: ImageContent;

  before(async () => {
    path = resources.use(await temporaryDirectory()).path;
    upstream = resources.use(await DockerRegistry.start());
    const layers = [await makeLayer(path, 'one', 400_000), await makeLayer(path, 'two', 50_000)];
    await pushImage({ reference: `${upstream.host}/team/app:v1`, layers, format: 'oci' });
    image = await readImage(`${upstream.url}/v2/team/app`, 'v1');
  });

  async function copyTo(target: string): Promise<void> {
    const source = ['--src-tls-verify=false', `docker://${upstream.host}/team/app:v1`];
    await command(programOf('skopeo'), ['--insecure-policy', 'copy', '--quiet', ...source, target]);
  }

  /** Loads a file into a directory of its own, by a shell, and reads the image from a server that has nothing else. */
  async function loaded(file: string, line = '--image-file FILE'): Promise<ImageContent> {
    await using directory = await temporaryDirectory();
    const where = [bin, '--image-path', directory.path];
    const load = [process.execPath, ...where, 'load'].join(' ');
    await command('bash', ['-eo', 'pipefail', '-c', `load() { ${load} "$@"; }\n${loading(line, file)}`]);
    const serving = ['serve', '--air-gapped', '--host', '127.0.0.1', '--port', '0'];
    await using server = new Program(process.execPath, [...where, '--log-level', 'info', ...serving]);
    const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
    return await readImage(`http://${address}/v2/${name}`, 'v1');
  }

  function loading(line: string, file: string): string {
    const known = line.includes('load ') ? line : `load ${line}`;
    return known.replaceAll('FILE', file);
  }

  it('have the same image afterwards: skopeo, an OCI archive, in a file and out of a pipe', async () => {
    const file = join(path, 'oci.tar');
    await copyTo(`oci-archive:${file}:${name}:v1`);
    for (const line of [
      'load --image-file FILE',
      'gzip < FILE | load --image-file -',
      'load --image-file <(cat FILE)',
    ])
      assert.deepEqual(await loaded(file, line), image, line);
  });

  it('have the same image afterwards: skopeo, an OCI archive without a name', async () => {
    const file = join(path, 'nameless.tar');
    await copyTo(`oci-archive:${file}`);
    await assert.rejects(loaded(file), /it does not say what its image is called: name it by --resolve-ref/);
    assert.deepEqual(await loaded(file, `--image-file FILE --resolve-ref ${name}:v1`), image);
  });

  it('have the same layers, unpacked, and a manifest of ours: skopeo, as docker save', async () => {
    const file = join(path, 'docker.tar');
    await copyTo(`docker-archive:${file}:${name}:v1`);
    const read = await loaded(file);
    assert.deepEqual(partsOf(read), partsOf(image));
    // A client that takes it checks each layer by the configuration.
    assert.deepEqual(await loaded(file), read);
  });

  it('have the same layers, compressed as they were, and a manifest of ours: crane pull', async () => {
    const file = join(path, 'crane.tar');
    await crane('pull', `${upstream.host}/team/app:v1`, file);
    const read = await loaded(file, `--image-file FILE --resolve-ref ${name}:v1`);
    assert.deepEqual([partsOf(read), [...read.blobs.keys()]], [partsOf(image), [...image.blobs.keys()]]);
  });

  it('have the same image afterwards: ctr image export', needs('containerd'), async () => {
    await using containerd = await Containerd.start();
    await containerd.pullDirectly(upstream.host, 'team/app', 'v1');
    const file = join(path, 'ctr.tar');
    const env = containerd.env;
    await command(programOf('ctr'), ['images', 'tag', `${upstream.host}/team/app:v1`, `${name}:v1`], env);
    await command(programOf('ctr'), ['images', 'export', file, `${name}:v1`], env);
    assert.deepEqual(await loaded(file), image);
  });

  it(
    'have the same configuration and layers afterwards: podman save, both forms',
    needs('podman'),
    async () => {
      await using directory = await temporaryDirectory();
      const source = `${upstream.host}/team/app:v1`;
      const formats = ['docker-archive', 'oci-archive'];
      for (const file of await savedByPodman(directory.path, source, `${name}:v1`, formats))
        assert.deepEqual(partsOf(await loaded(file)), partsOf(image), file);
    },
  );

  it('have the same configuration and layers afterwards: docker save', needs('dockerd'), async () => {
    const settings = { 'insecure-registries': [upstream.host] };
    await using docker = await Dockerd.start(JSON.stringify(settings));
    const source = `${upstream.host}/team/app:v1`;
    await docker.pull(source);
    const file = join(path, 'saved.tar');
    await docker.save(source, `${name}:v1`, file);
    assert.deepEqual(partsOf(await loaded(file)), partsOf(image));
  });
});
