import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startApp } from '#src/app/app.ts';
import { loadConfig } from '#src/config/load.ts';
import { HostedClient } from '#test/fakes/hosted-client.ts';
import { bytes } from '#test/fakes/images.ts';
import { LogLines } from '#test/fakes/log-lines.ts';
import { temporaryDirectory } from '#test/fakes/running-app.ts';

const examples = join(import.meta.dirname, '../../../config/examples');

describe('config/examples/limited-registry.yaml', () => {
  it('is a door for pushes, one for pulls with a limit, and one for files', async () => {
    await using directory = await temporaryDirectory();
    const indexes = join(directory.path, 'indexes');
    await mkdir(indexes);
    await writeFile(join(indexes, 'index.yaml'), '- name: triage\n');
    const text = await readFile(join(examples, 'limited-registry.yaml'), 'utf8');
    const file = join(directory.path, 'config.yaml');
    const moved = text
      .replaceAll(/port: \d+/g, 'port: 0')
      .replaceAll('host: 0.0.0.0', 'host: 127.0.0.1')
      .replace('./indexes', indexes);
    await writeFile(file, moved);
    // Nobody counts there: then it is as the example says, open.
    const env = { REDIS_URL: 'redis://127.0.0.1:1' };
    const { config, warnings } = await loadConfig({ file, flags: { imagePath: directory.path }, env });
    assert.deepEqual(warnings, []);
    await using app = await startApp(config, { version: '0.0.0', env: {}, log: new LogLines() });
    const inner = new HostedClient(app.server.url, 'test');
    await inner.pushImage('7.0.0', [bytes(100)]);
    const [outer, files] = app.listeners;
    const pulled = await new HostedClient(outer?.url ?? '', 'test').call('GET', 'manifests/7.0.0');
    assert.equal(pulled.status, 200);
    const image = await new HostedClient(app.server.url, 'apps/web').made([bytes(10)]);
    const pushed = await new HostedClient(app.server.url, 'apps/web').putManifest('v1-dev', image.bytes);
    assert.equal(pushed.status, 403);
    const index = await fetch(`${files?.url}/index.yaml`);
    assert.equal(await index.text(), '- name: triage\n');
  });
});
