import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf } from '#test/docs/attribution.ts';
import type { Block } from '#test/docs/block.ts';
import { command } from '../e2e/support/command.ts';
import { Containerd } from '../e2e/support/containerd.ts';
import type { ImageContent } from '../e2e/support/content.ts';
import { DockerHub } from '../e2e/support/docker-hub.ts';
import { Dockerd } from '../e2e/support/dockerd.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { pullBy } from '../e2e/support/podman.ts';
import { withHosts } from '../e2e/support/shown-hosts.ts';
import { complaintsOf, needsSystemdAnalyze } from '../e2e/support/systemd-analyze.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { until } from '../e2e/support/until.ts';
import { find } from '../setup/components.ts';
import { needs, programOf } from '../setup/needs.ts';

const page = 'docs/how-to/without-the-cache.md';
const image = 'docker.io/library/alpine:3';

/** The page's own, with the server's address in the place of the page's. */
function shownFor(host: string, { text }: Block): string {
  return text.replaceAll(/\b(?:cache|127\.0\.0\.1):8080\b/g, host);
}

async function pageBlocks(kind: Parameters<typeof blocksOf>[0]): Promise<Block[]> {
  return (await blocksOf(kind)).filter((block) => block.page === page);
}

/** A cache that names the Hub as `server`, so that nobody goes past it. */
function isTheOnlyWay({ text }: Block): boolean {
  return text.includes('server = "http://cache:8080"');
}

interface Client {
  readonly name: string;
  readonly programs: readonly string[];
  /** What the page shows it, each one way past the cache. */
  readonly blocks: readonly Block[];
  /** Pulls with an empty store, and checks what came. */
  pull(shown: string, hub: DockerHub): Promise<void>;
}

const clients: readonly Client[] = [
  {
    name: 'containerd',
    programs: ['containerd'],
    blocks: (await pageBlocks('containerd')).filter((block) => !isTheOnlyWay(block)),
    async pull(shown, hub) {
      await using client = await Containerd.start();
      await withHosts(shown, async (hosts) => await client.pullBy(hosts, image, hub.env));
      assert.ok((await client.digests()).isSupersetOf(new Set(hub.image.blobs.keys())));
    },
  },
  {
    name: 'podman',
    programs: ['podman'],
    blocks: await pageBlocks('containers'),
    async pull(shown, hub) {
      assert.ok((await pullBy(shown, image, hub.env)).has(hub.image.digest));
    },
  },
  {
    name: 'skopeo',
    programs: ['skopeo'],
    blocks: await pageBlocks('containers'),
    async pull(shown, hub) {
      await using directory = await temporaryDirectory();
      const file = join(directory.path, 'registries.conf');
      await writeFile(file, shown);
      const copy = ['--insecure-policy', '--registries-conf', file, 'copy', '--quiet', '--src-no-creds'];
      const target = `dir:${join(directory.path, 'image')}`;
      await command(programOf('skopeo'), [...copy, `docker://${image}`, target], hub.env);
    },
  },
];

/** A cache, or what stands in front of it, that is there and has nothing to give. */
async function serverThatSays(status: 503 | 504) {
  return await serving((_, answer) => answer.writeHead(status, { 'Retry-After': '5' }).end());
}

async function serving(listener: RequestListener): Promise<AsyncDisposable & { readonly host: string }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** Does somebody hold a connection to this port of loopback (proc_net_tcp(5), state ESTABLISHED)? */
async function hasClient(host: string): Promise<boolean> {
  const port = Number(host.split(':')[1]).toString(16).toUpperCase().padStart(4, '0');
  return (await readFile('/proc/net/tcp', 'utf8')).includes(` 0100007F:${port} 01 `);
}

/** A cache that goes away in the middle of a pull: it has given the manifest, and gives no blob. */
async function serverOfManifests({ digest, manifests }: ImageContent) {
  const manifest = manifests.get(digest);
  const headers = {
    'Content-Type': 'application/vnd.oci.image.manifest.v1+json',
    'Content-Length': manifest?.length ?? 0,
    'Docker-Content-Digest': digest,
  };
  return await serving(({ url, method }, answer) => {
    if (url?.includes('/manifests/')) answer.writeHead(200, headers).end(method === 'HEAD' ? '' : manifest);
    else answer.writeHead(url === '/v2/' ? 200 : 503).end();
  });
}

async function stoppedServer(): Promise<string> {
  await using server = await Ociregistry.start();
  const { host } = server;
  await server.stop('SIGTERM');
  return host;
}

describe('without the cache', needs('docker-registry', 'crane', 'openssl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let hub: DockerHub;
  before(async () => {
    hub = resources.use(await DockerHub.start());
  });

  /** The pull succeeds, and not by the cache. */
  const goesPast = async (pull: () => Promise<void>): Promise<void> => {
    const before = hub.connections;
    await pull();
    assert.ok(hub.connections > before, 'the registry itself was asked');
  };

  for (const client of clients) {
    describe(client.name, needs(...client.programs), () => {
      for (const block of client.blocks) {
        it(`pulls from the registry itself when the cache has stopped: line ${block.line}`, async () => {
          const shown = shownFor(await stoppedServer(), block);
          await goesPast(async () => await client.pull(shown, hub));
        });

        for (const status of [503, 504] as const)
          it(`pulls from the registry itself when the cache says ${status}: line ${block.line}`, async () => {
            await using server = await serverThatSays(status);
            await goesPast(async () => await client.pull(shownFor(server.host, block), hub));
          });

        it(`goes on by the registry itself when a cache that hangs is ended: line ${block.line}`, async () => {
          await using server = await Ociregistry.start();
          const { host } = server;
          server.freeze();
          await goesPast(async () => {
            const pulling = client.pull(shownFor(host, block), hub);
            const hung = until('the client waits', async () => await hasClient(host));
            await Promise.race([pulling, hung]);
            await server.stop('SIGKILL');
            await pulling;
          });
        });
      }
    });
  }

  /** What the page says of a pull that the cache began and did not end. */
  const begun = async (name: string): Promise<void> => {
    const client = clients.find((candidate) => candidate.name === name);
    const [block] = client?.blocks ?? [];
    assert.ok(client !== undefined && block !== undefined);
    await using server = await serverOfManifests(hub.image);
    await client.pull(shownFor(server.host, block), hub);
  };

  it('containerd goes on with a pull that the cache began', needs('containerd'), async () => {
    await goesPast(async () => await begun('containerd'));
  });

  it('skopeo does not', needs('skopeo'), async () => {
    await assert.rejects(begun('skopeo'), /503/);
  });

  it('containerd does not pull where the page says so', needs('containerd'), async () => {
    const [block, ...more] = (await pageBlocks('containerd')).filter(isTheOnlyWay);
    assert.ok(block !== undefined && more.length === 0);
    const before = hub.connections;
    const shown = shownFor(await stoppedServer(), block);
    await using client = await Containerd.start();
    await assert.rejects(withHosts(shown, async (hosts) => await client.pullBy(hosts, image, hub.env)));
    assert.equal(hub.connections, before);
  });

  // It takes the half minute that containerd waits for each of manifest, config and layer.
  it('containerd 2 goes past a cache that hangs', needs('containerd-2', 'ctr-2'), async () => {
    const [block] = (await pageBlocks('containerd')).filter((shown) => !isTheOnlyWay(shown));
    assert.ok(block !== undefined);
    await using server = await Ociregistry.start();
    server.freeze();
    await goesPast(async () => {
      await using client = await Containerd.start('-2');
      await withHosts(
        shownFor(server.host, block),
        async (hosts) => await client.pullBy(hosts, image, hub.env),
      );
      assert.ok((await client.digests()).isSupersetOf(new Set(hub.image.blobs.keys())));
    });
    await server.stop('SIGKILL');
  });

  describe('Docker', needs('dockerd'), async () => {
    const [block] = await pageBlocks('docker');
    assert.ok(block !== undefined);
    const pull = async (host: string): Promise<void> => {
      await using daemon = await Dockerd.start(shownFor(host, block), hub.env);
      assert.equal(await daemon.pull('library/alpine:3'), hub.image.digest);
    };

    it('pulls from Docker Hub when the cache has stopped', async () => {
      const host = await stoppedServer();
      await goesPast(async () => await pull(host));
    });

    it('pulls from Docker Hub when the cache says 503', async () => {
      await using server = await serverThatSays(503);
      await goesPast(async () => await pull(server.host));
    });

    // It takes the fifteen seconds that Docker waits.
    it('pulls from Docker Hub when the cache hangs', async () => {
      await using server = await Ociregistry.start();
      server.freeze();
      await goesPast(async () => await pull(server.host));
      await server.stop('SIGKILL');
    });
  });
});

describe('the watch over a cache that hangs', {
  skip: find('curl') === undefined && 'curl is not installed',
}, () => {
  /** What systemd would be told by the command of the page's service. */
  const toldBy = async (host: string): Promise<string> => {
    const [service] = (await pageBlocks('watch')).filter(({ text }) => text.includes('ExecStart='));
    assert.ok(service !== undefined);
    const [, script = ''] = /^ExecStart=\/bin\/sh -c '(.+)'$/m.exec(shownFor(host, service)) ?? [];
    await using directory = await temporaryDirectory();
    const told = join(directory.path, 'told');
    await writeFile(join(directory.path, 'systemctl'), `#!/bin/sh\necho "$@" >${told}\n`, { mode: 0o755 });
    // systemd's $$ is a $ (systemd.service(5)); the page's ten seconds are not waited for.
    const line = script.replaceAll('$$', '$').replace('--max-time 10', '--max-time 1');
    await command('/bin/sh', ['-c', line], { PATH: `${directory.path}:${process.env['PATH']}` });
    return existsSync(told) ? (await readFile(told, 'utf8')).trim() : '';
  };

  it('is what systemd takes', needsSystemdAnalyze, async () => {
    await using directory = await temporaryDirectory();
    const files = (await pageBlocks('watch')).map(({ text }) => {
      const [, name = ''] = /^# \/etc\/systemd\/system\/(\S+)$/m.exec(text) ?? [];
      return { path: join(directory.path, name), text };
    });
    assert.equal(files.length, 2);
    for (const { path, text } of files) await writeFile(path, text);
    for (const { path } of files) assert.deepEqual(await complaintsOf(path), []);
  });

  it('ends one that hangs', async () => {
    await using server = await Ociregistry.start();
    server.freeze();
    assert.equal(await toldBy(server.host), 'kill --signal=SIGKILL ociregistry');
    await server.stop('SIGKILL');
  });

  it('lets one be that answers, whatever it says, and one that is not there', async () => {
    await using server = await Ociregistry.start();
    assert.equal(await toldBy(server.host), '');
    await using other = await serverThatSays(503);
    assert.equal(await toldBy(other.host), '');
    assert.equal(await toldBy(await stoppedServer()), '');
  });
});
