import { dirname } from 'node:path';
import { codeOf, type FileSystem } from './file-system.ts';

/**
 * Makes a directory and those above it. Not by Node's `recursive`, which tries for ever where a link leads nowhere, and in /proc.
 * Throws the file error as it is, or one that says what lies there instead.
 */
export async function makeDirectory(files: Pick<FileSystem, 'mkdir' | 'stat'>, path: string): Promise<void> {
  try {
    await makeOne(files, path);
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) !== 'ENOENT' || above === path) throw error;
    await makeDirectory(files, above);
    await makeOne(files, path);
  }
}

/** Something lies where a directory should, and is none. */
export class NoDirectoryError extends Error {
  override readonly name = 'NoDirectoryError';
}

/** Another process may be quicker. */
async function makeOne(files: Pick<FileSystem, 'mkdir' | 'stat'>, path: string): Promise<void> {
  try {
    await files.mkdir(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (await isDirectory(files, path)) return;
    throw new NoDirectoryError(`${path} is no directory, nor a link to one`, { cause: error });
  }
}

async function isDirectory(files: Pick<FileSystem, 'stat'>, path: string): Promise<boolean> {
  try {
    return (await files.stat(path)).isDirectory();
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ELOOP') return false;
    throw error;
  }
}
