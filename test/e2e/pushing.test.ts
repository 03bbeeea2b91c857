import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { sha256 } from '#src/oci/digest.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { readImage } from './support/content.ts';
import { crane } from './support/crane.ts';
import { makeLayer, pushImage, pushIndex } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const settings = { hosted: [{ repositories: ['test/**', 'apps/**'], open: true }] };

describe('real clients that push', () => {
  let server: Ociregistry;
  let other: Ociregistry;
  before(async () => {
    server = await Ociregistry.start({ settings });
    other = await Ociregistry.start({ settings });
  });
  after(async () => {
    await server[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
  });

  async function pushed(directory: string, host: string, repository: string): Promise<string> {
    const layers = [
      await makeLayer(directory, 'base', 2_000_000),
      await makeLayer(directory, 'app', 300_000),
    ];
    const images: string[] = [];
    for (const platform of ['linux/amd64', 'linux/arm64'])
      images.push(
        await pushImage({
          reference: `${host}/${repository}:${platform.replace('/', '-')}`,
          layers,
          format: 'oci',
          platform,
        }),
      );
    await pushIndex(`${host}/${repository}:index`, 'oci', images);
    return `${host}/${repository}:index`;
  }

  it('crane: an index of two platforms, and its tags deleted', needs('crane'), async () => {
    await using directory = await temporaryDirectory();
    const reference = await pushed(directory.path, server.host, 'test/crane');
    const image = await readImage(`${server.url}/v2/test/crane`, 'index');
    assert.equal(image.manifests.size, 3);
    assert.deepEqual(
      (await crane('ls', `${server.host}/test/crane`)).split('\n').filter(Boolean).toSorted(),
      ['index', 'linux-amd64', 'linux-arm64'],
    );
    const digest = (await crane('digest', reference)).trim();
    await crane('delete', reference);
    await crane('delete', `${server.host}/test/crane@${digest}`);
    await assert.rejects(crane('digest', reference), /MANIFEST_UNKNOWN|404/);
  });

  it('crane: from one repository into another, by mounting', needs('crane'), async () => {
    await using directory = await temporaryDirectory();
    const reference = await pushed(directory.path, server.host, 'test/from');
    await crane('copy', reference, `${server.host}/apps/to:v1`);
    const mounts = server
      .requests()
      .filter((line) => line.includes('/v2/apps/to/blobs/uploads/') && line.includes('mount='));
    assert.ok(mounts.length > 0);
    assert.deepEqual(
      await readImage(`${server.url}/v2/apps/to`, 'v1'),
      await readImage(`${server.url}/v2/test/from`, 'index'),
    );
  });

  it(
    'skopeo: to another server and back, byte for byte, and all of an index',
    needs('crane', 'skopeo'),
    async () => {
      await using directory = await temporaryDirectory();
      const index = await pushed(directory.path, server.host, 'test/skopeo');
      const image = index.replace(':index', ':linux-amd64');
      const skopeo = async (...args: readonly string[]) =>
        await command(programOf('skopeo'), ['--insecure-policy', ...args]);
      const plain = ['--quiet', '--src-tls-verify=false', '--dest-tls-verify=false'];
      const copied = `docker://${other.host}/apps/copied`;
      await skopeo('copy', '--preserve-digests', ...plain, `docker://${image}`, `${copied}:v1`);
      await skopeo(
        'copy',
        '--preserve-digests',
        ...plain,
        `${copied}:v1`,
        `docker://${server.host}/test/back:v1`,
      );
      const sent = await readImage(`${server.url}/v2/test/skopeo`, 'linux-amd64');
      assert.deepEqual(await readImage(`${other.url}/v2/apps/copied`, 'v1'), sent);
      assert.deepEqual(await readImage(`${server.url}/v2/test/back`, 'v1'), sent);
      await skopeo('copy', '--all', ...plain, `docker://${index}`, `${copied}:index`);
      assert.equal((await readImage(`${other.url}/v2/apps/copied`, 'index')).manifests.size, 3);
      await skopeo('delete', '--tls-verify=false', `${copied}:index`);
      await assert.rejects(readImage(`${other.url}/v2/apps/copied`, 'index'));
    },
  );

  it('podman: an image that it has loaded', needs('crane', 'podman'), async () => {
    await using directory = await temporaryDirectory();
    const { path } = directory;
    const reference = (await pushed(path, server.host, 'test/podman')).replace(':index', ':linux-amd64');
    const policy = join(path, 'policy.json');
    await writeFile(policy, JSON.stringify({ default: [{ type: 'insecureAcceptAnything' }] }));
    const at = (name: string) => join(path, name);
    const own = [
      '--root',
      at('root'),
      '--runroot',
      at('run'),
      '--tmpdir',
      at('tmp'),
      '--storage-driver',
      'vfs',
    ];
    const podman = async (...args: readonly string[]) =>
      await command(programOf('podman'), [...own, ...args]);
    await podman('pull', '--quiet', '--tls-verify=false', '--signature-policy', policy, reference);
    await podman(
      'push',
      '--quiet',
      '--tls-verify=false',
      '--signature-policy',
      policy,
      reference,
      `docker://${other.host}/test/podman:v1`,
    );
    const image = await readImage(`${other.url}/v2/test/podman`, 'v1');
    assert.equal(image.manifests.size, 1);
    assert.ok(image.blobs.size >= 2);
  });
});

describe('a server that is killed while clients push', () => {
  it('goes on with a chunk that was on its way, from the byte that had come', async () => {
    await using server = await Ociregistry.start({ settings });
    const client = new HostedClient(server.url, 'test/cut');
    const content = bytes(2_000_000, 7);
    const location = await client.begin();
    const hanging = request(new URL(location, server.url), {
      method: 'PATCH',
      headers: { 'Content-Length': content.length },
    });
    hanging.on('error', () => {});
    hanging.write(content.subarray(0, 700_000));
    const range = async (by: HostedClient) => (await by.call('GET', location)).headers.get('range');
    await until('the bytes have come', async () => (await range(client)) === '0-699999');
    await server.stop('SIGKILL');
    await server.startAgain();
    const again = new HostedClient(server.url, 'test/cut');
    assert.equal(await range(again), '0-699999');
    assert.equal((await again.patch(location, content.subarray(700_000), 700_000)).status, 202);
    assert.equal((await again.commit(location, sha256(content))).status, 201);
  });
});
