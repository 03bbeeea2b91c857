import { createReadStream } from 'node:fs';
import { opendir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOfPath } from '../load/archive/archive-blobs.ts';
import { BrokenOffError, tarEntries } from '../load/archive/archive-entries.ts';
import { LoadError, reasonOf } from '../load/load-error.ts';
import type { Digest } from '../oci/reference.ts';
import { type BundleHead, type BundleList, listName, readList } from './bundle-list.ts';

/** What a bundle goes on from. */
export interface EarlierBundle {
  /** Undefined: a layout that is no bundle of ours. */
  readonly head: BundleHead | undefined;
  /** Its blobs and those of the bundles before it, with their proofs as far as it has them. */
  readonly blobs: ReadonlyMap<Digest, string | undefined>;
}

/** By its list, by a tar that has it (the last one of several), or by the folder of a layout. Throws LoadError. */
export async function earlierBundle(path: string): Promise<EarlierBundle> {
  try {
    if ((await stat(path)).isDirectory()) return await ofFolder(path);
    if (path.endsWith('.json')) return ofList(await readList(createReadStream(path), path));
    return await ofTar(path);
  } catch (error) {
    if (error instanceof LoadError && !(error instanceof BrokenOffError)) throw error;
    throw new LoadError(`${JSON.stringify(path)} cannot be read: ${reasonOf(error)}`);
  }
}

function ofList({ head, blobs }: BundleList): EarlierBundle {
  return { head, blobs: new Map(blobs.values().map(({ digest, proof }) => [digest, proof])) };
}

async function ofFolder(folder: string): Promise<EarlierBundle> {
  const list = join(folder, listName);
  if (await isThere(list)) return ofList(await readList(createReadStream(list), list));
  const blobs = new Map<Digest, undefined>();
  for (const algorithm of ['sha256', 'sha512']) {
    if (!(await isThere(join(folder, 'blobs', algorithm)))) continue;
    for await (const { name } of await opendir(join(folder, 'blobs', algorithm))) {
      const digest = digestOfPath(`blobs/${algorithm}/${name}`);
      if (digest !== undefined) blobs.set(digest, undefined);
    }
  }
  if (blobs.size === 0) throw new LoadError(`${JSON.stringify(folder)} has neither ${listName} nor blobs`);
  return { head: undefined, blobs };
}

async function ofTar(path: string): Promise<EarlierBundle> {
  const blobs = new Map<Digest, undefined>();
  for await (const entry of tarEntries(path)) {
    if (!('path' in entry) || 'to' in entry) continue;
    if (entry.path === listName) return ofList(await readList(entry.body, `${listName} in ${path}`));
    const digest = digestOfPath(entry.path);
    if (digest !== undefined) blobs.set(digest, undefined);
  }
  if (blobs.size === 0) throw new LoadError(`${JSON.stringify(path)} has neither ${listName} nor blobs`);
  return { head: undefined, blobs };
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
