import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { blocksOf, type Kind } from '#test/docs/attribution.ts';
import { root } from '#test/docs/block.ts';
import { command } from '../e2e/support/command.ts';
import { digestOf } from '../e2e/support/content.ts';
import { DockerHub } from '../e2e/support/docker-hub.ts';
import { Ociregistry } from '../e2e/support/ociregistry.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { until } from '../e2e/support/until.ts';
import { needs } from '../setup/needs.ts';

const bin = join(root, 'src/bin.js');
const alpine = 'docker.io/library/alpine:3';

describe('the pages about what a cache keeps and carries', needs('docker-registry', 'openssl'), () => {
  const resources = new AsyncDisposableStack();
  after(async () => await resources.disposeAsync());
  let path: string;
  let hub: DockerHub;
  let connected: Ociregistry;
  let isolated: Ociregistry;
  let env: Readonly<Record<string, string>>;

  before(async () => {
    path = resources.use(await temporaryDirectory()).path;
    hub = resources.use(await DockerHub.start());
    const { HTTPS_PROXY = '', SSL_CERT_FILE = '' } = hub.env;
    env = { HTTPS_PROXY, SSL_CERT_FILE, NODE_EXTRA_CA_CERTS: SSL_CERT_FILE, NO_PROXY: '' };
    connected = resources.use(await Ociregistry.start({ env }));
    isolated = resources.use(await Ociregistry.start({ env, settings: { airGapped: true } }));
    await mkdir(join(path, 'backup'));
    assert.equal((await manifestOf(isolated)).status, 404);
    assert.equal((await manifestOf(connected)).status, 200);
    await connected.stores('docker.io/library/alpine', hub.image.blobs.keys());
  });

  async function manifestOf({ url }: Ociregistry): Promise<Response> {
    return await fetch(`${url}/v2/docker.io/library/alpine/manifests/3`);
  }

  /** What is typed on one side of the wall: the page as it stands, but for where its directories are. */
  async function typed(server: Ociregistry, text: string): Promise<string> {
    const config = join(dirname(server.layout), '../config.yaml');
    const script = `#!/bin/sh\nexec ${process.execPath} ${bin} --config-file ${config} "$@"\n`;
    await writeFile(join(path, 'ociregistry'), script);
    await chmod(join(path, 'ociregistry'), 0o755);
    const here = text.replaceAll('/backup/', `${path}/backup/`).replaceAll('/var/lib/', `${path}/lib/`);
    const PATH = `${path}${delimiter}${process.env['PATH']}`;
    return await command('bash', ['-eo', 'pipefail', '-c', `cd ${path}\n${here}`], { ...env, PATH });
  }

  async function pageOf(kind: Kind, server: Ociregistry, section?: string): Promise<string> {
    let output = '';
    for (const block of await blocksOf(kind))
      if (section === undefined || block.section === section) output += await typed(server, block.text);
    return output;
  }

  it('fill the other side of a wall, bit by bit', async () => {
    const wanted = async () =>
      (await typed(isolated, 'ociregistry wanted | tee wanted.txt')) === `${alpine}\n`;
    await until('it is known what is wanted', wanted);
    const out = await pageOf('carry', connected, 'Out');
    assert.equal(out.match(new RegExp(`^exported +${alpine} `, 'gm'))?.length, 4, out);
    const into = await pageOf('carry', isolated, 'In');
    assert.equal(into.match(new RegExp(`^imported +${alpine} `, 'gm'))?.length, 3, into);
    const carried = await manifestOf(isolated);
    assert.equal(digestOf(Buffer.from(await carried.arrayBuffer())), hub.image.digest);
    const stored = await isolated.storedDigests();
    for (const digest of hub.image.blobs.keys()) assert.ok(stored.has(digest), digest);
  });

  it('leave out next time what the other side has, and bring what it wanted', async () => {
    const next = await pageOf('carry', connected, 'Next time');
    assert.equal(next.match(new RegExp(`^exported +${alpine} `, 'gm'))?.length, 2, next);
    const { blobs } = JSON.parse(await readFile(join(path, 'second.json'), 'utf8')) as {
      blobs: { digest: string; chunk?: number }[];
    };
    const listed = new Map(blobs.map(({ digest, chunk }) => [digest, chunk]));
    for (const digest of hub.image.blobs.keys())
      assert.ok(listed.has(digest) && listed.get(digest) === undefined, digest);
  });

  it('bring back what was lost', async () => {
    await mkdir(join(path, 'lib'));
    const output = await pageOf('backUp', connected);
    assert.match(output, new RegExp(`^imported +${alpine} `, 'm'));
    const list = await typed(connected, 'ociregistry list --image-path /var/lib/ociregistry --header');
    assert.match(list, /^docker\.io\/library\/alpine +3 +image/m);
  });

  it('remove nothing that was pulled just now, and say so', async () => {
    const output = await pageOf('keep', connected);
    assert.match(output, /^Prune blobs \(dry run\):\nPrune manifests \(dry run\):\n0\.0 MB would be freed$/m);
    assert.match(output, /"freedBytes": 0/);
    assert.equal((await manifestOf(connected)).status, 200);
  });
});
