import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf, programsIn } from '#test/docs/attribution.ts';
import { type Block, placeOf, root } from '#test/docs/block.ts';
import { find, ownPrograms } from '../setup/components.ts';
import { needs, programOf } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { Containerd } from './support/containerd.ts';
import { type ImageContent, readImage } from './support/content.ts';
import { crane } from './support/crane.ts';
import { DockerRegistry } from './support/docker-registry.ts';
import { Dockerd } from './support/dockerd.ts';
import { makeLayer, pushImage } from './support/images.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { pullBy } from './support/podman.ts';
import { withHosts } from './support/shown-hosts.ts';
import { type TemporaryDirectory, temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

/** How pages call the server: by a name, by an address, on the reader’s own machine, by a node of Kubernetes. */
const places = /\b(?:cache:8080|192\.0\.2\.10:8080|127\.0\.0\.1:8080|NODE:31080)\b/g;

const image = 'docker.io/library/alpine:3';

describe('what pages show to clients, taken from the page', needs('docker-registry', 'crane'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let directory: TemporaryDirectory;
  let upstream: DockerRegistry;
  let server: Ociregistry;
  let content: ImageContent;

  // Nothing but the address of the server is changed: names such as docker.io are led to the upstream by the server's mirrors.
  before(async () => {
    directory = resources.use(await temporaryDirectory());
    upstream = resources.use(await DockerRegistry.start());
    const layers = [await makeLayer(directory.path, 'layer', 300_000)];
    await pushImage({ reference: `${upstream.host}/library/alpine:3`, layers, format: 'oci' });
    content = await readImage(`${upstream.url}/v2/library/alpine`, '3');
    const endpoints = [upstream.url];
    const registries = [
      { name: 'docker.io', endpoints },
      { name: 'registry.internal:5000', alias: 'internal', scheme: 'http', endpoints },
    ];
    server = resources.use(await Ociregistry.start({ settings: { registries, defaultNs: 'docker.io' } }));
  });

  const shown = ({ text }: Block): string => text.replaceAll(places, server.host);

  /** A folder with what a reader has at hand: the files for containerd, an image as `docker save` writes it. */
  const nodeOf = async (block: Block): Promise<string> => {
    const folder = join(directory.path, `node-${placeOf(block).replaceAll(/\W/g, '-')}`);
    const hosts = 'etc/containerd/certs.d/_default/hosts.toml';
    await mkdir(join(folder, hosts, '..'), { recursive: true });
    const text = await readFile(join(root, 'config/clients', hosts), 'utf8');
    await writeFile(join(folder, hosts), text.replaceAll(places, server.host));
    await crane('pull', `${upstream.host}/library/alpine:3`, join(folder, 'ociregistry.tar'));
    return folder;
  };

  /** The pull goes through the server: its log, which comes a little later, has a request more. */
  const asksServer = async (work: () => Promise<void>): Promise<void> => {
    const before = server.requests().length;
    await work();
    await until('the server was asked', async () => server.requests().length > before);
  };

  describe('is what containerd pulls by:', needs('containerd'), async () => {
    for (const block of await blocksOf('containerd'))
      it(placeOf(block), async () => {
        await using client = await Containerd.start();
        await withHosts(shown(block), async (hosts) => await client.pullBy(hosts, image));
        assert.ok((await client.digests()).isSupersetOf(new Set(content.blobs.keys())));
        assert.ok(server.requests().some((line) => line.includes(`ns=docker.io`)));
      });
  });

  describe('is what Podman and skopeo pull by:', needs('podman', 'skopeo'), async () => {
    for (const block of await blocksOf('containers'))
      it(placeOf(block), async () => {
        const [, prefix] = /^prefix = "(.+)"$/m.exec(block.text) ?? [];
        const name = `${prefix}/library/alpine:3`;
        await asksServer(async () => {
          assert.ok((await pullBy(shown(block), name)).has(content.digest));
        });
        const file = join(directory.path, 'registries.conf');
        await writeFile(file, shown(block));
        const inspect = ['--insecure-policy', '--registries-conf', file, 'inspect', '--no-creds', '--raw'];
        const manifest = await command(programOf('skopeo'), [...inspect, `docker://${name}`]);
        assert.deepEqual(Buffer.from(manifest), content.manifests.get(content.digest));
      });
  });

  describe('is what Docker pulls by:', needs('dockerd'), async () => {
    for (const block of await blocksOf('docker'))
      it(placeOf(block), async () => {
        await using daemon = await Dockerd.start(shown(block));
        // Docker Hub's through the mirror, and another registry's by the whole name.
        for (const name of ['library/alpine:3', `${server.host}/internal/library/alpine:3`])
          await asksServer(async () => assert.equal(await daemon.pull(name), content.digest));
      });
  });

  it('is what dockerd knows, as far as it is seen without it', async () => {
    for (const { text } of await blocksOf('docker'))
      assert.deepEqual(Object.keys(JSON.parse(text) as object), ['registry-mirrors', 'insecure-registries']);
  });

  describe('is what a shell runs:', async () => {
    for (const block of await blocksOf('pulls'))
      it(placeOf(block), needsOf(block), async () => {
        await using client = programsIn(block.text).includes('ctr') ? await Containerd.start() : undefined;
        const folder = await nodeOf(block);
        const run = async (): Promise<void> => {
          const script = `cd ${folder}\n${shown(block).replaceAll(' /etc/', ' ./etc/')}`;
          await command('bash', ['-ec', script], { ...client?.env, ...shellEnv });
        };
        // What comes from a file is asked of nobody.
        await (block.text.includes('images import') ? run() : asksServer(run));
        const [, written] = /:3 (?:oci:)?(\w[\w.]*)/.exec(block.text) ?? [];
        if (written !== undefined) assert.ok(existsSync(join(folder, written)), written);
      });
  });
});

const shellEnv = { PATH: `${ownPrograms}${delimiter}${process.env['PATH']}`, DOCKER_CONFIG: '/nonexistent' };

/** The page's own words are the list of what they need; curl comes with every system. */
function needsOf({ text }: Block): { skip: string | false } {
  const programs = new Set(programsIn(text));
  if (programs.delete('curl') && find('curl') === undefined) return { skip: 'curl is not installed' };
  return needs(...[...programs].map((name) => (name === 'ctr' ? 'containerd' : name)));
}
