import { open, opendir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { kindOf } from '../load/image-files.ts';
import { LoadError } from '../load/load-error.ts';
import { DistributionDirectory } from './distribution-directory.ts';
import type { ImageSource } from './image-source.ts';
import { LayoutFolder } from './layout-folder.ts';
import { type EntryMemory, OriginalDirectory } from './original-directory.ts';
import { isOriginal } from './original-folders.ts';
import { isLayout, layoutsBelow, ZotDirectory } from './zot-directory.ts';

/** What is to be imported, by its kind. */
export interface ImportSources {
  readonly folders: ImageSource[];
  readonly tars: string[];
  /** Lists of bundles. */
  readonly lists: string[];
}

export interface SourceSettings {
  /** The registry that a directory stands for which does not say it. */
  readonly host: string | undefined;
  /** Where the images go, `v1` in a cache directory: it is nothing to be imported. */
  readonly target: string;
  /** What is to be remembered of a directory of Ociregistry 1.17 in which that lies. */
  readonly memory?: EntryMemory | undefined;
}

/** In how deep a folder zot's repositories begin. */
const zotDepth = 16;

/** What lies at a path, added to the others. Throws LoadError for what is nothing that is known. */
export async function addSource(
  path: string,
  sources: ImportSources,
  settings: SourceSettings,
): Promise<void> {
  const status = await stat(path).catch(() => undefined);
  if (status === undefined) throw new LoadError('there is no such file or folder');
  if (status.isDirectory()) await addFolder(path, sources, settings);
  else if (!(await addFile(path, sources)))
    throw new LoadError('it is neither a tar, also compressed by gzip or zstd, nor the list of a bundle');
}

/** The list of a bundle stands for its tars, which lie beside it or were named, too. */
async function addFile(path: string, sources: ImportSources): Promise<boolean> {
  if ((await kindOf(path)) === 'archive') sources.tars.push(path);
  else if (await isList(path)) sources.lists.push(path);
  else return false;
  return true;
}

async function isList(path: string): Promise<boolean> {
  if (!path.endsWith('.json')) return false;
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
  return buffer.toString('utf8', 0, bytesRead).startsWith('{"kind":"ociregistry bundle"');
}

async function addFolder(path: string, sources: ImportSources, settings: SourceSettings): Promise<void> {
  const before = sources.folders.length + sources.tars.length + sources.lists.length;
  const { host, target, memory } = settings;
  const own = join(path, 'v1');
  const isItself = (await isSame(own, target)) || (await isSame(path, target));
  if (!isItself && (await isLayout(own))) sources.folders.push(new LayoutFolder(own));
  if (await isOriginal(path))
    sources.folders.push(new OriginalDirectory(path, isItself ? memory : undefined));
  if (sources.folders.length > before) return;
  if (isItself) throw new LoadError('it is the cache itself');
  if (await isLayout(path)) sources.folders.push(new LayoutFolder(path));
  else if (await addDistribution(path, sources, host)) return;
  else if (await isZot(path)) sources.folders.push(new ZotDirectory(path, host));
  else await addFilesIn(path, sources);
  if (sources.folders.length + sources.tars.length + sources.lists.length === before)
    throw new LoadError(
      'it is no directory of images that is known: no OCI layout, of zot, of distribution, of Ociregistry, and there is no tar in it',
    );
}

/** Of what else lies there nothing is said. */
async function addFilesIn(folder: string, sources: ImportSources): Promise<void> {
  const names: string[] = [];
  for await (const entry of await opendir(folder)) if (entry.isFile()) names.push(entry.name);
  for (const name of names.sort()) await addFile(join(folder, name), sources);
}

async function addDistribution(
  path: string,
  { folders }: ImportSources,
  host: string | undefined,
): Promise<boolean> {
  for (const root of [join(path, 'docker/registry/v2'), path]) {
    if (!(await isFolder(join(root, 'repositories')))) continue;
    if (host === undefined)
      throw new LoadError('a directory of distribution does not say which registry it stands for: --as HOST');
    folders.push(new DistributionDirectory(root, host));
    return true;
  }
  return false;
}

async function isZot(path: string): Promise<boolean> {
  for await (const _ of layoutsBelow(path, zotDepth)) return true;
  return false;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() === true;
}

async function isSame(one: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([one, other].map(async (path) => await realpath(path).catch(() => path)));
  return a === b;
}
