import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { root } from '#test/docs/block.ts';
import { alias } from '../e2e/support/client.ts';
import { command } from '../e2e/support/command.ts';
import { Containerd } from '../e2e/support/containerd.ts';
import { digestOf, digestsIn, type ImageContent, readImage } from '../e2e/support/content.ts';
import { crane } from '../e2e/support/crane.ts';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { makeLayer, pushImage, pushIndex } from '../e2e/support/images.ts';
import type { IsolatedOrder, IsolatedPull, IsolatedResult } from '../e2e/support/isolated-pulls.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { ownNetwork } from '../e2e/support/own-network.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs, programOf } from '../setup/needs.ts';

const bin = join(root, 'src/bin.js');
const architectures = ['amd64', 'arm64', 's390x'];
const names = ['one', 'two', 'three'];

/** The images of an index. */
function platformsOf({ digest, manifests }: ImageContent): { digest: string; architecture: string }[] {
  const index = JSON.parse(manifests.get(digest)?.toString() ?? '') as {
    manifests: { digest: string; platform: { architecture: string } }[];
  };
  return index.manifests.map((child) => ({
    digest: child.digest,
    architecture: child.platform.architecture,
  }));
}

describe('bundles across an air gap', needs('docker-registry', 'crane', 'skopeo'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let path: string;
  let upstream: DockerRegistry;
  let connected: Ociregistry;
  let isolated: Ociregistry;
  const images = new Map<string, ImageContent>();

  before(async () => {
    path = resources.use(await temporaryDirectory()).path;
    upstream = resources.use(await DockerRegistry.start());
    const registries = [{ name: upstream.host, scheme: 'http', alias }];
    connected = resources.use(await Ociregistry.start({ settings: { registries } }));
    isolated = resources.use(await Ociregistry.start({ settings: { registries, airGapped: true } }));
    for (const name of names) await pushMultiArch(name);
    for (const name of names) images.set(name, await pulled(connected, name));
  });

  const repositoryOf = (name: string) => `${upstream.host}/team/${name}`;
  const imagePathOf = (server: Ociregistry) => dirname(server.layout);

  async function pushMultiArch(name: string): Promise<void> {
    const format = name === 'three' ? 'docker' : 'oci';
    const shared = await makeLayer(path, 'shared', 60_000);
    const pushed: string[] = [];
    for (const architecture of architectures) {
      const layers = [shared, await makeLayer(path, `${name}-${architecture}`, 100_000)];
      const reference = `${repositoryOf(name)}:${architecture}`;
      pushed.push(await pushImage({ reference, layers, format, platform: `linux/${architecture}` }));
    }
    await pushIndex(`${repositoryOf(name)}:v1`, format, pushed);
  }

  const pulled = async (server: Ociregistry, name: string, tag = 'v1') =>
    await readImage(`${server.url}/v2/${alias}/team/${name}`, tag);

  async function run(server: Ociregistry, ...args: readonly string[]): Promise<string> {
    const config = join(dirname(imagePathOf(server)), 'config.yaml');
    return await command(process.execPath, [bin, '--config-file', config, ...args]);
  }

  async function skopeo(...args: readonly string[]): Promise<string> {
    return await command(programOf('skopeo'), ['--insecure-policy', ...args]);
  }

  it('bring two platforms of three images, digests as upstream has them, while both servers run', async () => {
    const to = join(path, 'first.tar');
    const platforms = ['--platform', 'linux/amd64', '--platform', 'linux/arm64'];
    await run(connected, 'export', to, '--pattern', ':v1$', ...platforms, '--chunk-size', '1MiB');
    await run(isolated, 'import', join(path, 'first.json'));
    for (const name of names) {
      const reference = `${isolated.host}/${alias}/team/${name}:v1`;
      assert.equal((await crane('digest', reference)).trim(), images.get(name)?.digest);
      for (const architecture of ['amd64', 'arm64']) {
        const wanted = (
          await crane('digest', '--platform', `linux/${architecture}`, `${repositoryOf(name)}:v1`)
        ).trim();
        const byDigest = await readImage(`${isolated.url}/v2/${alias}/team/${name}`, wanted);
        assert.equal(byDigest.digest, wanted);
        const copy = join(path, `${name}-${architecture}-copied`);
        const choice = ['--override-os', 'linux', '--override-arch', architecture];
        const from = ['--src-no-creds', '--src-tls-verify=false', `docker://${reference}`];
        await skopeo(...choice, 'copy', '--quiet', ...from, `dir:${copy}`);
        const digests = await digestsIn(copy);
        for (const digest of [wanted, ...byDigest.blobs.keys()]) assert.ok(digests.has(digest), digest);
      }
    }
  });

  it('are layouts that skopeo and crane read themselves, as a folder and as a tar', async () => {
    const [folder, tar] = [join(path, 'layout'), join(path, 'layout.tar')];
    for (const to of [folder, tar])
      await run(connected, 'export', to, '--pattern', 'team/(one|two|three):v1');
    const content = images.get('two') ?? assert.fail();
    for (const [at, source] of [`oci:${folder}`, `oci-archive:${tar}`].entries()) {
      const copy = join(path, `read-${at}`);
      await skopeo('copy', '--quiet', '--all', `${source}:${repositoryOf('two')}:v1`, `dir:${copy}`);
      const digests = await digestsIn(copy);
      // Its copy of an index is written anew.
      const root = await skopeo('inspect', '--raw', `${source}:${repositoryOf('two')}:v1`);
      digests.add(digestOf(Buffer.from(root)));
      for (const digest of [...content.manifests.keys(), ...content.blobs.keys()])
        assert.ok(digests.has(digest), digest);
    }
    const one = join(path, 'one-image');
    await run(connected, 'export', one, '--pattern', 'team/one:v1$');
    const target = `${upstream.host}/pushed/one:v1`;
    await crane('push', '--index', one, target);
    const pushed = JSON.parse(await crane('manifest', target)) as { manifests: { digest: string }[] };
    assert.deepEqual(
      pushed.manifests.map(({ digest }) => digest),
      [images.get('one')?.digest],
    );
  });

  it('are read by containerd itself, images of Docker’s media types too', needs('containerd'), async () => {
    const tar = join(path, 'containerd.tar');
    await run(connected, 'export', tar, '--pattern', 'team/three:v1$', '--platform', 'linux/amd64');
    await using containerd = await Containerd.start();
    // Its unpacker wants layers that are such.
    const importing = ['images', 'import', '--no-unpack', '--platform', 'linux/amd64', tar];
    await command(programOf('ctr'), importing, containerd.env);
    const listed = await command(programOf('ctr'), ['images', 'list'], containerd.env);
    const line = listed.split('\n').find((text) => text.startsWith(`${repositoryOf('three')}:v1 `)) ?? '';
    assert.ok(line.includes(images.get('three')?.digest ?? assert.fail()), listed);
  });

  it('go on from an earlier one with new blobs alone, and from a list of what was wanted', async () => {
    const layers = [await makeLayer(path, 'shared', 60_000), await makeLayer(path, 'newer', 70_000)];
    await pushImage({ reference: `${repositoryOf('one')}:v2`, layers, format: 'oci' });
    const newer = await pulled(connected, 'one', 'v2');
    const second = join(path, 'second');
    await run(
      connected,
      'export',
      second,
      '--pattern',
      ':v[12]$',
      '--platform',
      'linux/amd64',
      '--since',
      join(path, 'first.json'),
    );
    const known = new Set([...images.values()].flatMap(({ blobs }) => [...blobs.keys()]));
    const fresh = [...newer.manifests.keys(), ...newer.blobs.keys()].filter((digest) => !known.has(digest));
    const carried = await digestsIn(join(second, 'blobs'));
    assert.deepEqual([...carried].sort(), fresh.toSorted());
    assert.equal(carried.size, 3);
    await run(isolated, 'import', second);
    assert.deepEqual(await pulled(isolated, 'one', 'v2'), newer);

    await pushImage({ reference: `${repositoryOf('four')}:v1`, layers, format: 'oci' });
    await writeFile(join(path, 'wanted.json'), JSON.stringify([{ reference: `${repositoryOf('four')}:v1` }]));
    const third = join(path, 'third.tar');
    const output = await run(
      connected,
      'export',
      third,
      '--wanted',
      join(path, 'wanted.json'),
      '--output',
      'json',
    );
    const report = JSON.parse(output) as { ok: boolean; images: { name: string }[] };
    assert.deepEqual(
      [report.ok, report.images.map(({ name }) => name)],
      [true, [`${repositoryOf('four')}:v1`]],
    );
    await run(isolated, 'import', third);
    assert.deepEqual(await pulled(isolated, 'four'), await pulled(connected, 'four'));
  });

  it(
    'are pulled in a network without routes, by tag and by digest, and say what the next one is to have',
    needs('containerd'),
    async () => {
      const imagePath = join(path, 'isolated');
      const isolatedRun = async (order: Pick<IsolatedOrder, 'bundles' | 'pulls' | 'misses'>) => {
        const whole: IsolatedOrder = { ...order, directory: path, imagePath, upstream: upstream.host };
        const script = join(import.meta.dirname, '../e2e/support/isolated-pulls.ts');
        const [file = '', ...args] = [
          ...(await ownNetwork()),
          process.execPath,
          script,
          JSON.stringify(whole),
        ];
        return JSON.parse(await command(file, args)) as IsolatedResult;
      };
      const wanted = new Map<string, string[]>();
      const pulls: IsolatedPull[] = [];
      for (const [name, image] of images) {
        for (const { digest, architecture } of platformsOf(image)) {
          if (architecture === 's390x') continue;
          const content = await readImage(`${upstream.url}/v2/team/${name}`, digest);
          const clients =
            architecture === 'amd64' && name === 'one'
              ? (['skopeo', 'crane', 'containerd'] as const)
              : (['skopeo', 'crane'] as const);
          for (const reference of [':v1', `@${digest}`])
            for (const client of clients) {
              pulls.push({ client, repository: `team/${name}`, reference, architecture });
              wanted.set(JSON.stringify(pulls.at(-1)), [
                ...content.manifests.keys(),
                ...content.blobs.keys(),
              ]);
            }
        }
      }
      const first = await isolatedRun({
        bundles: [join(path, 'first.json'), join(path, 'second')],
        ...{ pulls, misses: ['team/five:v1'] },
      });
      for (const [at, pull] of pulls.entries())
        for (const digest of wanted.get(JSON.stringify(pull)) ?? [])
          assert.ok(first.pulled[at]?.includes(digest), `${JSON.stringify(pull)} lacks ${digest}`);
      assert.equal(first.wanted, `${repositoryOf('five')}:v1\n`);

      const layers = [await makeLayer(path, 'shared', 60_000), await makeLayer(path, 'fifth', 80_000)];
      await pushImage({ reference: `${repositoryOf('five')}:v1`, layers, format: 'oci' });
      const list = join(path, 'wanted.txt');
      await writeFile(list, first.wanted);
      const next = join(path, 'next');
      await run(connected, 'export', next, '--wanted', list, '--since', join(path, 'second/bundle.json'));
      const five = await pulled(connected, 'five');
      // What they share is there.
      const shared = [...five.blobs.keys()].filter((digest) => images.get('one')?.blobs.has(digest) === true);
      const carried = await digestsIn(join(next, 'blobs'));
      assert.ok(shared.length > 0 && shared.every((digest) => !carried.has(digest)));
      const second = await isolatedRun({
        bundles: [next],
        pulls: [{ client: 'skopeo', repository: 'team/five', reference: ':v1', architecture: 'amd64' }],
        misses: [],
      });
      for (const digest of [...five.manifests.keys(), ...five.blobs.keys()])
        assert.ok(second.pulled[0]?.includes(digest), digest);
      assert.equal(second.wanted, '');
    },
  );

  it('come from the directory of the registry itself', async () => {
    await using directory = await temporaryDirectory();
    const data = join(directory.path, 'data');
    await using other = await DockerRegistry.start({ data });
    const layers = [await makeLayer(path, 'theirs', 50_000)];
    await pushImage({ reference: `${other.host}/deep/er/app:v1`, layers, format: 'docker' });
    const image = await readImage(`${other.url}/v2/deep/er/app`, 'v1');
    await run(isolated, 'import', data, '--as', upstream.host);
    assert.deepEqual(await readImage(`${isolated.url}/v2/${alias}/deep/er/app`, 'v1'), image);
    assert.ok((await readFile(join(isolated.layout, 'index.json'), 'utf8')).includes('deep/er/app:v1'));
  });
});
