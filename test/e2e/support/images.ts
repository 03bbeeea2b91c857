import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytes } from '#test/fakes/images.ts';
import { command } from './command.ts';
import { crane } from './crane.ts';

export interface ImageRecipe {
  /** `host/repository:tag` */
  readonly reference: string;
  /** Paths of tar files. */
  readonly layers: readonly string[];
  readonly format: 'oci' | 'docker';
  readonly platform?: string;
}

/** Writes a layer with one file of bytes that do not compress. Returns the path of the tar file. */
export async function makeLayer(directory: string, name: string, size: number): Promise<string> {
  const content = join(directory, name);
  await mkdir(content, { recursive: true });
  await writeFile(join(content, name), bytes(size, name.length + size));
  const tar = join(directory, `${name}.tar`);
  await command('tar', [
    '--sort=name',
    '--mtime=@0',
    '--owner=0',
    '--group=0',
    '-cf',
    tar,
    '-C',
    content,
    name,
  ]);
  return tar;
}

/** Pushes an image. Returns `host/repository@digest`. */
export async function pushImage(recipe: ImageRecipe): Promise<string> {
  const { reference, layers, format, platform = 'linux/amd64' } = recipe;
  const base = format === 'oci' ? ['--oci-empty-base'] : [];
  const files = layers.flatMap((layer) => ['-f', layer]);
  await crane('append', ...base, ...files, '-t', reference);
  return (await crane('mutate', reference, '--set-platform', platform, '-t', reference)).trim();
}

/** Pushes an index, or a manifest list, of images that were pushed before. */
export async function pushIndex(
  reference: string,
  format: 'oci' | 'docker',
  images: readonly string[],
): Promise<void> {
  const base = format === 'docker' ? ['--docker-empty-base'] : [];
  const manifests = images.flatMap((image) => ['-m', image]);
  await crane('index', 'append', ...base, ...manifests, '-t', reference);
}
