import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '#test/docs/block.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { Containerd } from './support/containerd.ts';
import { type ImageContent, readImage } from './support/content.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Program } from './support/program.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const bin = join(root, 'src/bin.js');

describe('tars that clients write', needs('docker-registry', 'crane', 'skopeo', 'containerd'), () => {
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

  /** Loads a file into a directory of its own, and reads the image from a server that has nothing else. */
  async function loaded(file: string, name: string): Promise<ImageContent> {
    await using directory = await temporaryDirectory();
    const where = [bin, '--image-path', directory.path];
    await command(process.execPath, [...where, 'load', '--image-file', file]);
    const serving = ['serve', '--air-gapped', '--host', '127.0.0.1', '--port', '0'];
    await using server = new Program(process.execPath, [...where, '--log-level', 'info', ...serving]);
    const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
    return await readImage(`http://${address}/v2/${name}`, 'v1');
  }

  it('have the same image afterwards: skopeo, an OCI archive', async () => {
    const file = join(path, 'oci.tar');
    await copyTo(`oci-archive:${file}:quay.io/team/app:v1`);
    assert.deepEqual(await loaded(file, 'quay.io/team/app'), image);
  });

  it('have the same image afterwards: ctr image export', async () => {
    await using containerd = await Containerd.start();
    await containerd.pullDirectly(upstream.host, 'team/app', 'v1');
    const [file, name] = [join(path, 'ctr.tar'), `${upstream.host}/team/app:v1`];
    const env = containerd.env;
    await command(programOf('ctr'), ['images', 'tag', name, 'quay.io/team/app:v1'], env);
    await command(programOf('ctr'), ['images', 'export', file, 'quay.io/team/app:v1'], env);
    assert.deepEqual(await loaded(file, 'quay.io/team/app'), image);
  });

  it('have the same layers, unpacked, and a manifest of ours: skopeo, as docker save', async () => {
    const file = join(path, 'docker.tar');
    await copyTo(`docker-archive:${file}:quay.io/team/app:v1`);
    const read = await loaded(file, 'quay.io/team/app');
    const [configOf, otherConfig] = [image, read].map(({ manifests, digest }) => {
      const text = manifests.get(digest)?.toString() ?? '';
      return (JSON.parse(text) as { config: { digest: string } }).config.digest;
    });
    assert.equal(otherConfig, configOf);
    assert.equal(read.blobs.size, image.blobs.size);
    // A client that takes it checks each layer by the configuration.
    assert.deepEqual(await loaded(file, 'quay.io/team/app'), read);
  });
});
