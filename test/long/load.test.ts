import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf } from '#test/docs/attribution.ts';
import { root } from '#test/docs/block.ts';
import { command } from '../e2e/support/command.ts';
import { digestsIn, readImage } from '../e2e/support/content.ts';
import { crane } from '../e2e/support/crane.ts';
import { DockerHub } from '../e2e/support/docker-hub.ts';
import { Program } from '../e2e/support/program.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { needs, programOf } from '../setup/needs.ts';

const bin = join(root, 'src/bin.js');
const pod = { kind: 'Pod', spec: { containers: [{ image: 'alpine:3' }] } };

describe('the page about loading images', needs('docker-registry', 'crane', 'skopeo', 'openssl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let path: string;
  let data: string;
  let hub: DockerHub;
  let output = '';

  /** Runs the page from its top to its end; then the upstream is gone. */
  before(async () => {
    path = resources.use(await temporaryDirectory()).path;
    data = join(path, 'data');
    hub = resources.use(await DockerHub.start());
    await mkdir(join(path, 'manifests'));
    await writeFile(join(path, 'manifests', 'pod.yaml'), JSON.stringify(pod));
    await script('ociregistry', `exec ${process.execPath} ${bin} --image-path ${data} "$@"`);
    await script('kubectl', `echo '${JSON.stringify({ items: [pod] })}'`);
    const { HTTPS_PROXY = '', SSL_CERT_FILE = '' } = hub.env;
    const env = { HTTPS_PROXY, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS: SSL_CERT_FILE, NO_PROXY: '' };
    const PATH = `${path}${delimiter}${process.env['PATH']}`;
    for (const { text } of await blocksOf('load')) {
      output += await command('bash', ['-eo', 'pipefail', '-c', `cd ${path}\n${text}`], { ...env, PATH });
    }
    await hub[Symbol.asyncDispose]();
  });

  async function script(name: string, text: string): Promise<void> {
    await writeFile(join(path, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(path, name), 0o755);
  }

  it('loads once what it loads again and again', () => {
    const lines = output
      .split('\n')
      .filter((line) => /^loaded (?:docker\.io\/library\/)?alpine:3 /.test(line));
    assert.match(
      lines[0] ?? '',
      /^loaded docker\.io\/library\/alpine:3 sha256:[0-9a-f]{64}: 0\.3 MB fetched, 0\.0 MB were there$/,
    );
    assert.ok(lines.length >= 4);
    assert.ok(
      lines.slice(1).every((line) => line.includes(' 0.0 MB fetched, 0.3 MB were there')),
      output,
    );
  });

  it('reports for scripts, and lists', async () => {
    const report = JSON.parse(await readFile(join(path, 'report.json'), 'utf8')) as {
      ok: boolean;
      images: { digest: string; fetchedBytes: number }[];
    };
    assert.deepEqual(
      [report.ok, report.images.map(({ digest, fetchedBytes }) => [digest, fetchedBytes])],
      [true, [[hub.image.digest, 0]]],
    );
    assert.match(await readFile(join(path, 'images.json'), 'utf8'), /"name":"docker.io\/library\/alpine:3"/);
    assert.match(
      output,
      /^IMAGE +TAG\/DIGEST +TYPE +CREATED +PULLED +SIZE\(MB\)\ndocker\.io\/library\/alpine +3 +image/m,
    );
  });

  it('leaves a directory from which every client pulls what upstream had, bit by bit', async () => {
    const server = resources.use(
      new Program(process.execPath, [
        ...[bin, '--image-path', data, '--log-level', 'info', 'serve', '--air-gapped'],
        ...['--host', '127.0.0.1', '--port', '0'],
      ]),
    );
    const [, address = ''] = await server.line(/"url":"http:\/\/([^"]+)".*"server is running"/);
    const read = await readImage(`http://${address}/v2/docker.io/library/alpine`, '3');
    assert.deepEqual(read, hub.image);
    assert.equal((await crane('digest', `${address}/docker.io/library/alpine:3`)).trim(), hub.image.digest);
    const layout = join(path, 'pulled');
    await crane('pull', '--format=oci', `${address}/docker.io/library/alpine:3`, layout);
    const copy = join(path, 'copied');
    const source = `docker://${address}/docker.io/library/alpine:3`;
    const copying = [
      'copy',
      '--quiet',
      '--all',
      '--src-no-creds',
      '--src-tls-verify=false',
      source,
      `dir:${copy}`,
    ];
    await command(programOf('skopeo'), ['--insecure-policy', ...copying]);
    for (const digests of [await digestsIn(layout), await digestsIn(copy)])
      for (const digest of [hub.image.digest, ...hub.image.blobs.keys()])
        assert.ok(digests.has(digest), digest);
  });
});
