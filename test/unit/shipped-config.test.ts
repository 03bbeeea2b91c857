import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, glob, mkdtemp, mkdtempDisposable, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { parse } from 'yaml';
import { loadConfig } from '#src/config/load.ts';
import type { Config } from '#src/config/schema.ts';

const root = join(import.meta.dirname, '../..');

interface Port {
  readonly name: string;
  readonly containerPort: number;
}

/** As far as the tests read it. */
interface Pod {
  readonly terminationGracePeriodSeconds: number;
  readonly securityContext: { readonly runAsUser: number; readonly fsGroup: number };
  readonly containers: readonly [
    {
      readonly image: string;
      readonly args: readonly string[];
      readonly ports: readonly Port[];
      readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
    },
  ];
}

async function text(path: string): Promise<string> {
  return await readFile(join(root, path), 'utf8');
}

/** What the program makes of the configuration in the ConfigMap. */
async function configOfPod(directory: string) {
  const { data } = parse(await text('config/kubernetes/configmap.yaml')) as { data: Record<string, string> };
  const file = join(directory, 'registry-config.yaml');
  await writeFile(file, data['registry-config.yaml'] ?? '');
  return await loadConfig({ file, flags: {}, env: {} });
}

/** The longest that an orderly end takes, without what closing costs. Seconds. */
function stopSeconds({ server: { shutdownDelay, drainTimeout } }: Config): number {
  return (shutdownDelay + drainTimeout) / 1000;
}

describe('config/kubernetes', () => {
  let directory: string;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ociregistry-'));
  });
  after(async () => await rm(directory, { recursive: true }));

  const readPod = async (): Promise<Pod> => {
    const deployment = parse(await text('config/kubernetes/deployment.yaml')) as {
      spec: { template: { spec: Pod } };
    };
    return deployment.spec.template.spec;
  };

  it('configures the server without a warning', async () => {
    const { warnings } = await configOfPod(directory);
    assert.deepEqual(warnings, []);
  });

  it('gives the server the time that it takes to stop', async () => {
    const { config } = await configOfPod(directory);
    assert.ok((await readPod()).terminationGracePeriodSeconds > stopSeconds(config));
  });

  it('names the ports and the folder that the server uses', async () => {
    const { config } = await configOfPod(directory);
    const [{ ports, volumeMounts, args }] = (await readPod()).containers;
    const portOf = (name: string) => ports.find((port) => port.name === name)?.containerPort;
    assert.deepEqual(['registry', 'health', 'metrics'].map(portOf), [
      config.port,
      config.health,
      config.metrics,
    ]);
    assert.deepEqual(volumeMounts.map(({ mountPath }) => mountPath).slice(0, 1), [config.imagePath]);
    assert.ok(args.includes(`${volumeMounts[1]?.mountPath}/registry-config.yaml`));
  });

  it('runs the image of this version as the user that the Dockerfile names', async () => {
    const { version } = JSON.parse(await text('package.json')) as { version: string };
    const { containers, securityContext } = await readPod();
    assert.ok(containers[0].image.endsWith(`:${version}`));
    const { runAsUser, fsGroup } = securityContext;
    assert.match(await text('Dockerfile'), new RegExp(`^USER ${runAsUser}:${fsGroup}$`, 'm'));
  });
});

describe('config/systemd', () => {
  it('gives the server the time that it takes to stop', async () => {
    const { config } = await loadConfig({ flags: {}, env: {} });
    const [, seconds] =
      /^TimeoutStopSec=(\d+)s$/m.exec(await text('config/systemd/ociregistry.service')) ?? [];
    assert.ok(Number(seconds) > stopSeconds(config));
  });
});

describe('config/clients', () => {
  it('calls the cache by one address everywhere', async () => {
    const paths = await Array.fromAsync(glob('config/clients/**/*.{toml,json,conf,yaml}', { cwd: root }));
    assert.ok(paths.length >= 5);
    for (const path of paths) assert.match(await text(path), /[/"]cache:8080["/]/, path);
  });

  it('has the reader’s address after the command that docs/how-to/clients.md shows', async () => {
    await using directory = await mkdtempDisposable(join(tmpdir(), 'ociregistry-'));
    await cp(join(root, 'config/clients'), join(directory.path, 'config/clients'), { recursive: true });
    const [, script = ''] = /```sh\n(find .*?)```/s.exec(await text('docs/how-to/clients.md')) ?? [];
    assert.equal(spawnSync('sh', ['-ec', script], { cwd: directory.path }).status, 0);
    for await (const path of glob('config/clients/**/*.{toml,json,conf,yaml}', { cwd: directory.path })) {
      const changed = await readFile(join(directory.path, path), 'utf8');
      assert.match(changed, /[/"]192\.0\.2\.10:8080["/]/, path);
      assert.doesNotMatch(changed, /cache:8080/, path);
    }
  });

  it('says in each file where it goes, if the file may say something', async () => {
    for await (const path of glob('config/clients/**/*.{toml,conf,yaml}', { cwd: root }))
      assert.ok((await text(path)).startsWith(`# ${path.replace('config/clients', '')}`), path);
  });

  it('has a registries.yaml of the documented shape', async () => {
    assert.deepEqual(parse(await text('config/clients/etc/rancher/k3s/registries.yaml')), {
      mirrors: { '*': { endpoint: ['http://cache:8080'] } },
    });
  });
});
