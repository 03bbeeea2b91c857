import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { command } from '../e2e/support/command.ts';
import { temporaryDirectory } from '../e2e/support/temporary-directory.ts';
import { programOf } from '../setup/needs.ts';
import { ContainerStore } from './container-store.ts';

/** What the Dockerfile begins with. */
export const baseImage = 'library/node:26-bookworm-slim';

const cached = join(import.meta.dirname, '../../.cache/image/base-26');

/** Milliseconds. */
const pullLimit = 120_000;
const makeLimit = 600_000;

/**
 * The path of an OCI image layout with the base, kept for the next run: Docker Hub's, or, where that cannot be reached, one
 * of Debian's and npm's packages.
 */
export async function baseLayout(): Promise<string> {
  if (existsSync(cached)) return cached;
  const unfinished = `${cached}.partial`;
  await rm(unfinished, { recursive: true, force: true });
  await mkdir(unfinished, { recursive: true });
  try {
    await pullTo(unfinished);
  } catch {
    console.log(`${baseImage} cannot be pulled: a stand-in is made of packages`);
    await makeIn(unfinished);
  }
  await rename(unfinished, cached);
  return cached;
}

async function pullTo(layout: string): Promise<void> {
  const copy = ['--insecure-policy', 'copy', '--quiet', '--retry-times=0'];
  await command(
    programOf('skopeo'),
    [...copy, `docker://docker.io/${baseImage}`, `oci:${layout}:base`],
    {},
    pullLimit,
  );
}

async function makeIn(layout: string): Promise<void> {
  await using context = await temporaryDirectory();
  await using store = await ContainerStore.open();
  const at = (name: string) => join(context.path, name);
  const debian = ['--quiet', '--variant=minbase', '--include=libatomic1', 'bookworm', at('debian.tar')];
  await command(programOf('mmdebstrap'), debian, {}, makeLimit);
  await copyFile(process.execPath, at('node'));
  await command('npm', ['install', '--prefix', context.path, '--no-save', 'npm@11.19.1'], {}, makeLimit);
  const file = join(import.meta.dirname, 'base.Dockerfile');
  await store.buildah(
    'bud',
    '--quiet',
    '--isolation=chroot',
    `--file=${file}`,
    '--tag=localhost/base',
    context.path,
  );
  await store.buildah('push', '--quiet', 'localhost/base', `oci:${layout}:base`);
}
