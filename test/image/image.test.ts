import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { command } from '../e2e/support/command.ts';
import { readImage } from '../e2e/support/content.ts';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { makeLayer, pushImage } from '../e2e/support/images.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import type { Program } from '../e2e/support/program.ts';
import { needs, programOf } from '../setup/needs.ts';
import { baseImage, baseLayout } from './base.ts';
import { buildDate, buildImage, imageName } from './build.ts';
import { ContainerStore } from './container-store.ts';
import { bytesBeyond } from './layout.ts';

/** Compressed, besides the base. */
const maxBytes = 40e6;

const configFile = '/var/ociregistry/config/registry-config.yaml';

const programs = ['buildah', 'mmdebstrap', 'podman', 'containerd', 'skopeo', 'crane', 'docker-registry'];

describe('the image', needs(...programs), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());

  let base: string;
  let store: ContainerStore;
  let upstream: DockerRegistry;
  let baseRequests: string[];

  before(async () => {
    base = await baseLayout();
    store = resources.use(await ContainerStore.open());
    upstream = resources.use(await DockerRegistry.start());
    const destination = `docker://${upstream.host}/${baseImage}`;
    const copy = ['--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false'];
    await command(programOf('skopeo'), [...copy, `oci:${base}:base`, destination]);
    await upstream.takeRequests();
    const registries = [{ name: upstream.host, scheme: 'http', alias: 'hub' }];
    await using server = await Ociregistry.start({ settings: { registries } });
    await store.useForDockerHub(`${server.host}/hub`);
    await buildImage(store);
    baseRequests = await upstream.takeRequests();
  });

  it('is built of a base that came through this server', () => {
    const manifests = baseRequests.filter((request) => request.startsWith('GET /v2/library/node/manifests/'));
    assert.ok(manifests.length > 0);
  });

  it('adds no more than 40 MB to its base', async () => {
    const layout = join(store.directory, 'image');
    await store.buildah('push', '--quiet', imageName, `oci:${layout}:image`);
    const bytes = await bytesBeyond(base, layout);
    console.log(`${(bytes / 1e6).toFixed(1)} MB beyond the base`);
    assert.ok(bytes <= maxBytes, `${bytes} bytes`);
  });

  it('serves without any setting', async () => {
    await using container = await start(store, ['--network=none']);
    await listening(container);
    const probe = `const answer = await fetch('http://127.0.0.1:8080/v2/'); console.log(answer.status)`;
    const printed = await store.podman('exec', container.name, 'node', '--input-type=module', '-e', probe);
    assert.equal(printed.trim(), '200');
  });

  it('pulls as nobody on a read-only root, ends on SIGTERM, and keeps what it pulled in its volume', async () => {
    const layer = await makeLayer(store.directory, 'layer', 300_000);
    await pushImage({ reference: `${upstream.host}/library/tiny:v1`, layers: [layer], format: 'oci' });
    const wanted = await readImage(`${upstream.url}/v2/library/tiny`, 'v1');
    const configuration = await configured(store, upstream.host);
    const options = ['--network=host', '--volume=cache:/var/lib/ociregistry', ...configuration];
    const args = ['--config-file', configFile, 'serve'];
    {
      await using container = await start(store, options, args);
      await container.program.line(/"user":"65532:65532","pid":1,/);
      const url = await listening(container);
      assert.deepEqual(await readImage(`${url}/v2/up/library/tiny`, 'v1'), wanted);
      await store.podman('stop', '--time=10', container.name);
      assert.deepEqual(await container.program.exited, { code: 0, signal: null });
    }
    await upstream.stop();
    await using again = await start(store, options, args);
    const url = await listening(again);
    assert.deepEqual(await readImage(`${url}/v2/up/library/tiny`, 'v1'), wanted);
  });

  it('runs the other commands, on what was compiled when it was built', async () => {
    const program = store.startPodman(
      ...runArguments,
      '--env=NODE_DEBUG_NATIVE=COMPILE_CACHE',
      imageName,
      'version',
    );
    assert.deepEqual(await program.exited, { code: 0, signal: null });
    assert.ok(program.lines.some((line) => line.endsWith(`build date: ${buildDate}`)));
    const accepted = /V8 code cache for ESM file:\/\/\/ociregistry\/dist\/cli\/main\.js was accepted/;
    assert.ok(program.lines.some((line) => accepted.test(line)));
  });
});

describe('the Dockerfile', needs('hadolint'), () => {
  it('has nothing that hadolint would say', async () => {
    const file = join(import.meta.dirname, '../../Dockerfile');
    assert.equal(await command(programOf('hadolint'), ['--failure-threshold=info', file]), '');
  });
});

/** What an image should ask for less of: no right, no place to write but its volume. */
const runArguments = [
  'run',
  '--rm',
  '--read-only',
  // As containerd does, podman shall give the user no name.
  '--passwd=false',
  '--read-only-tmpfs=false',
  '--cap-drop=all',
  '--security-opt=no-new-privileges',
];

interface Container extends AsyncDisposable {
  readonly name: string;
  readonly program: Program;
}

async function start(
  store: ContainerStore,
  options: readonly string[],
  args: readonly string[] = [],
): Promise<Container> {
  const name = `ociregistry-${randomUUID()}`;
  const program = store.startPodman(...runArguments, `--name=${name}`, ...options, imageName, ...args);
  return {
    name,
    program,
    [Symbol.asyncDispose]: async () => void (await store.podman('rm', '--force', '--ignore', name)),
  };
}

/** Mounts a configuration where the original's chart does, and passes its path. */
async function configured(store: ContainerStore, upstream: string): Promise<string[]> {
  const file = join(store.directory, 'config.yaml');
  const registries = [{ name: upstream, scheme: 'http', alias: 'up' }];
  await writeFile(file, JSON.stringify({ host: '127.0.0.1', port: 0, registries }));
  return [`--volume=${file}:${configFile}:ro`];
}

async function listening({ program }: Container): Promise<string> {
  const [, url = ''] = await program.line(/"url":"(http:[^"]+)".*"msg":"server is running"/);
  return url;
}
