import assert from 'node:assert/strict';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf } from '#test/docs/attribution.ts';
import { root } from '#test/docs/block.ts';
import { find } from '../setup/components.ts';
import { needs } from '../setup/needs.ts';
import { command } from './support/command.ts';
import { DockerHub } from './support/docker-hub.ts';
import { Ociregistry } from './support/ociregistry.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';
import { until } from './support/until.ts';

const bin = join(root, 'src/bin.js');
const image = 'docker.io/library/alpine:3';

describe('the page about administration', needs('docker-registry', 'openssl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let path: string;
  let server: Ociregistry;
  let output = '';

  /** Runs the page from its top to its end, beside a server that has pulled an image. */
  before(async () => {
    assert.ok(find('curl'), 'curl comes with every system');
    path = resources.use(await temporaryDirectory()).path;
    const hub = resources.use(await DockerHub.start());
    const { HTTPS_PROXY = '', SSL_CERT_FILE = '' } = hub.env;
    const env = { HTTPS_PROXY, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS: SSL_CERT_FILE, NO_PROXY: '' };
    server = resources.use(await Ociregistry.start({ env }));
    const manifest = `${server.url}/v2/docker.io/library/alpine/manifests/3`;
    await until('the image is known', async () => {
      await fetch(manifest);
      return (await lines('manifest/list')).length === 2;
    });
    const script = `#!/bin/sh\nexec ${process.execPath} ${bin} --image-path ${join(server.layout, '..')} "$@"\n`;
    await writeFile(join(path, 'ociregistry'), script);
    await chmod(join(path, 'ociregistry'), 0o755);
    const PATH = `${path}${delimiter}${process.env['PATH']}`;
    for (const { text } of await blocksOf('administer')) {
      const here = text.replaceAll('127.0.0.1:8080', server.host);
      output += await command('bash', ['-eo', 'pipefail', '-c', `cd ${path}\n${here}`], { ...env, PATH });
    }
  });

  async function lines(call: string): Promise<string[]> {
    const response = await fetch(`${server.url}/cmd/${call}`);
    return (await response.text()).trimEnd().split('\n');
  }

  it('shows what is cached, of which registry, and that all is well', () => {
    assert.match(output, /^URL DIGEST CREATED PULLED\ndocker\.io\/library\/alpine:3 [0-9a-f]{64} {2}/);
    assert.match(output, /"registry":"docker\.io"/);
    assert.match(output, /^nothing failed$/m);
    assert.match(output, /^IMAGE .* UPSTREAM +PINNED FREES\(MB\) MISSING\ndocker\.io\/library\/alpine 3 /m);
  });

  it('asks upstream again, by the server and by the command', () => {
    assert.match(output, new RegExp(`^unchanged ${image}$`, 'm'));
    assert.match(output, new RegExp(`^unchanged ${image} sha256:[0-9a-f]{64}$`, 'm'));
  });

  it('pins, and the server knows', async () => {
    assert.ok(output.includes(`\npinned ${image}\nunpinned ${image}\n`), output);
    const isPinned = async (): Promise<boolean> => {
      const headers = { accept: 'application/json' };
      const response = await fetch(`${server.url}/cmd/manifest/list`, { headers });
      return ((await response.json()) as { manifests: [{ pinned: boolean }] }).manifests[0].pinned;
    };
    assert.equal(await isPinned(), false);
    const args = [bin, '--image-path', join(server.layout, '..'), 'pin', 'alpine'];
    assert.equal(await command(process.execPath, args), `pinned ${image}\n`);
    assert.equal(await isPinned(), true);
  });

  it('writes a list of what is wanted, which is nothing', async () => {
    assert.equal(await readFile(join(path, 'wanted.txt'), 'utf8'), '');
  });

  it('ends the server as a signal does', async () => {
    const response = await fetch(`${server.url}/cmd/stop`);
    assert.equal(response.status, 200);
    await until('it has stopped', async () => server.output.includes('"msg":"stopped"'));
    assert.match(server.output, /"by":"loopback, 127\.0\.0\.1","msg":"stopping: running downloads may end"/);
  });
});
