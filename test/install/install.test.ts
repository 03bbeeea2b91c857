import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { allBlocks, type Block, placeOf, root } from '#test/docs/block.ts';
import { command } from '../e2e/support/command.ts';
import { readImage } from '../e2e/support/content.ts';
import { DockerRegistry } from '../e2e/support/docker-registry.ts';
import { freePort } from '../e2e/support/free-port.ts';
import { makeLayer, pushImage } from '../e2e/support/images.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { find } from '../setup/components.ts';
import { needs } from '../setup/needs.ts';

const page = 'docs/how-to/install.md';

/** npm brings some hundred megabytes, twice. Milliseconds. */
const limitMs = 900_000;

/** What every Debian with systemd has. */
const needed = ['unshare', 'setpriv', 'curl', 'npm', 'systemd-analyze'];

function obstacle(): string | false {
  const missing = needed.filter((name) => find(name) === undefined);
  if (missing.length > 0) return `${missing.join(', ')} is not installed`;
  const namespaces =
    spawnSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'own-root', '/mnt']).status === 0;
  return namespaces ? false : 'it needs root, and a kernel that gives mount namespaces';
}

/** The tree as git has it, with the packages that this checkout has: `npm ci` is run by everybody who works on it. */
async function checkoutIn(directory: string): Promise<string> {
  const path = join(directory, 'checkout');
  for (const name of ['config', 'config.example.yaml', 'package.json', 'src', 'tsconfig.json'])
    await cp(join(root, name), join(path, name), { recursive: true });
  await symlink(join(root, 'node_modules'), join(path, 'node_modules'));
  return path;
}

/** The shell text of the whole page, one step after the other, with what is asserted behind a section. */
function scriptOf(blocks: readonly Block[], port: number, behind: Readonly<Record<string, string>>): string {
  const steps = blocks.map((block, index) => {
    const isLast = blocks[index + 1]?.section !== block.section;
    return [`: ${placeOf(block)}`, step(block, port), isLast ? (behind[block.section] ?? '') : ''].join('\n');
  });
  return steps.join('\n');
}

function step({ language, text }: Block, port: number): string {
  if (language === 'sh')
    return text.replace('npm ci\n', '').replaceAll('127.0.0.1:8080', `127.0.0.1:${port}`);
  const [, file] = /^# (\/etc\/\S+)/.exec(text) ?? [];
  return file === undefined ? '' : `install -d "$(dirname ${file})"\ncat >${file} <<'SHOWN'\n${text}SHOWN`;
}

describe('the page about the installation', needs('docker-registry', 'crane', 'sqlite3'), () => {
  const skip = obstacle();
  let blocks: Block[];
  before(async () => {
    blocks = (await allBlocks()).filter((block) => block.page === page);
  });

  it('does what it says, from the checkout to the removal', { skip, timeout: limitMs }, async () => {
    await using directory = await temporaryDirectory();
    await using upstream = await DockerRegistry.start();
    const layers = [await makeLayer(directory.path, 'layer', 300_000)];
    await pushImage({ reference: `${upstream.host}/app:v1`, layers, format: 'oci' });
    const { digest, blobs } = await readImage(`${upstream.url}/v2/app`, 'v1');
    const port = await freePort();
    const server = `http://127.0.0.1:${port}/v2/up/app`;
    const settings = {
      host: '127.0.0.1',
      port,
      registries: [{ name: upstream.host, scheme: 'http', alias: 'up' }],
    };
    const keys = Object.entries(settings).map(([key, value]) => `${key}: ${JSON.stringify(value)}`);
    const paths = [`manifests/${digest}`, ...[...blobs.keys()].map((blob) => `blobs/${blob}`)];
    const isCached = paths
      .map(
        (path) =>
          `curl -sSI --retry 10 --retry-connrefused ${server}/${path} | grep '^Cache-Status: ociregistry; hit'`,
      )
      .join('\n');
    const pull = paths.map((path) => `curl -sSf -o /dev/null ${server}/${path}`).join('\n');
    // A blob is known to the index within a second (decision 12).
    const untilCached = `for attempt in $(seq 50); do (${isCached.replaceAll('\n', ' && ')}) && break; sleep 0.2; done\n${isCached}`;
    const behind = {
      'Install it': 'ociregistry version 2>&1 | grep "^ociregistry version: "',
      'Start it': `systemd-analyze verify ociregistry.service 2>&1 | (! grep ociregistry)\n${pull}\n${untilCached}`,
      'Back it up': `curl -sSf -o /dev/null ${server}/tags/list`,
      'Restore it': isCached,
      'Upgrade it': isCached,
      'Remove it':
        '! find /etc /usr/local /var/lib -path "*ociregistry*" -not -path "*/node_modules/*" | grep .',
    };
    const script = scriptOf(blocks, port, behind)
      // The page's configuration is for a server alone on its machine, and names no registry.
      .replace('SHOWN\n', `SHOWN\ncat >>/etc/ociregistry/config.yaml <<'OURS'\n${keys.join('\n')}\nOURS\n`);
    const file = join(directory.path, 'page.sh');
    const prologue = [
      `. ${join(import.meta.dirname, 'own-root.sh')}`,
      'set -euxo pipefail',
      `export PATH=${import.meta.dirname}:/usr/local/bin:$PATH`,
      `cd ${await checkoutIn(directory.path)}`,
    ];
    await writeFile(file, [...prologue, script].join('\n'));
    const own = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
    await command('unshare', [...own, 'bash', file], {}, limitMs);
    assert.equal(find('/usr/local/bin/ociregistry'), undefined, 'nothing is left outside');
  });

  it('has no section that nobody tries', () => {
    const sections = new Set(blocks.map(({ section }) => section));
    assert.deepEqual(
      [...sections],
      ['Make the package', 'Install it', 'Start it', 'Back it up', 'Restore it', 'Upgrade it', 'Remove it'],
    );
  });
});
