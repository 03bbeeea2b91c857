import { randomBytes } from 'node:crypto';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import { LoadError } from '../load/load-error.ts';

/** Beside what it will be, on the same file system. */
export function partialName(path: string): string {
  return `${path.replace(/\/+$/, '')}.partial-${randomBytes(4).toString('hex')}`;
}

/** Throws LoadError where something is there: what somebody keeps is not written over. */
export async function refuseExisting(path: string): Promise<void> {
  if ((await lstat(path).catch(() => undefined)) === undefined) return;
  throw new LoadError(`${JSON.stringify(path)} is there already: name another, or remove it first`);
}

/** Gives a finished file its name, unless another has come there meanwhile. */
export async function nameFile(partial: string, path: string): Promise<void> {
  try {
    await link(partial, path);
    await rm(partial);
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    // A file system without second names, as of memory sticks.
    await refuseExisting(path);
    await rename(partial, path);
  }
}

/** The names in a folder will survive a power cut, where the file system can promise that. */
export async function syncFolder(path: string): Promise<void> {
  try {
    await using folder = await open(path, 'r');
    await folder.sync();
  } catch {
    // Some cannot.
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
