import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../e2e/support/command.ts';
import type { ContainerStore } from './container-store.ts';

const checkout = join(import.meta.dirname, '../..');

export const buildDate = '2026-01-31T00:00:00Z';

export const imageName = 'localhost/ociregistry';

/** Builds the Dockerfile as it is. */
export async function buildImage(store: ContainerStore): Promise<void> {
  await store.buildah(
    'bud',
    '--isolation=chroot',
    '--format=docker',
    '--layers=false',
    `--signature-policy=${store.policy}`,
    `--tag=${imageName}`,
    `--build-arg=BUILD_DATE=${buildDate}`,
    ...(await npmOfThisMachine(store.directory)),
    checkout,
  );
}

/** The build's npm asks the registry that this machine's npm asks, and trusts whom it trusts. */
async function npmOfThisMachine(directory: string): Promise<string[]> {
  const setting = async (name: string) => (await command('npm', ['config', 'get', name])).trim();
  const certificates = await setting('cafile');
  const lines = [`registry=${await setting('registry')}`];
  const volumes: string[] = [];
  if (certificates !== 'null') {
    lines.push('cafile=/etc/npm-ca.crt');
    volumes.push(`--volume=${certificates}:/etc/npm-ca.crt:ro`);
  }
  const settings = join(directory, 'npmrc');
  await writeFile(settings, `${lines.join('\n')}\n`);
  return [...volumes, `--volume=${settings}:/usr/local/etc/npmrc:ro`];
}
