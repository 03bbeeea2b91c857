import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { command } from './support/command.ts';
import type { Isolated } from './support/isolated-server.ts';
import { ownNetwork } from './support/own-network.ts';
import { temporaryDirectory } from './support/temporary-directory.ts';

const script = join(import.meta.dirname, 'support/isolated-server.ts');

async function served(
  settings: Readonly<Record<string, unknown>>,
  requests: readonly string[],
): Promise<Isolated> {
  const line = [...(await ownNetwork()), process.execPath, script, JSON.stringify({ settings, requests })];
  const [file = '', ...args] = line;
  return JSON.parse(await command(file, args)) as Isolated;
}

const digest = `sha256:${'0'.repeat(64)}`;
const requests = [
  'GET /v2/',
  'GET /v2/_catalog',
  'HEAD /v2/registry.example/team/app/manifests/v1',
  'GET /v2/registry.example/team/app/manifests/v1',
  `GET /v2/docker.io/library/alpine/manifests/${digest}`,
  'GET /v2/library/alpine/manifests/3?ns=docker.io',
  `HEAD /v2/registry.example/team/app/blobs/${digest}`,
  `GET /v2/registry.example/team/app/blobs/${digest}`,
  'GET /v2/registry.example/team/app/tags/list',
  `GET /v2/registry.example/team/app/referrers/${digest}`,
];

describe('a server across an air gap', { timeout: 120_000 }, () => {
  it('connects to nobody and looks up no name, whatever is asked for and configured, and answers all at once', async () => {
    await using directory = await temporaryDirectory();
    const list = join(directory.path, 'images.txt');
    await writeFile(list, 'registry.example/team/app:v1\n');
    const registry = {
      name: 'registry.example',
      endpoints: ['https://mirror.example'],
      auth: { user: 'puller', password: 'none' },
      upstream: { proxy: 'http://proxy.example:3128' },
    };
    const settings = { registries: [registry], preloadImages: list, defaultNs: 'docker.io' };
    const isolated = await served({ ...settings, airGapped: true }, requests);
    assert.deepEqual(isolated.dials, []);
    const statuses = isolated.answers.map(({ status }) => status);
    assert.deepEqual(statuses, [200, 200, ...Array.from({ length: 7 }, () => 404), 200]);
    const missing = isolated.answers.find(({ request }) => request.includes('?ns='));
    assert.match(missing?.body ?? '', /docker\.io\/library\/alpine:3 is not in the cache/);
    // What looks on would see it.
    const connected = await served(settings, requests.slice(2, 3));
    assert.notDeepEqual(connected.dials, []);
    assert.ok((connected.answers[0]?.status ?? 0) >= 500);
  });
});
