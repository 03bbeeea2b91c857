import type { Stats } from 'node:fs';
import { glob, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FileKind, headBytes, kindOfHead } from './file-kind.ts';
import { LoadError, unreadable } from './load-error.ts';

/** By one name; and what is looked at in a folder to find them. */
const maxFiles = 20_000;
const maxEntries = 500_000;

/**
 * Files by a list with commas between names, patterns and folders; `-` is standard input, once. Of a folder its manifests, `.yaml`, `.yml` and `.json`, at
 * any depth, unless it is an OCI layout. Throws LoadError where a name or a pattern is nothing's. Whether one can be read is not looked at.
 */
export async function imageFiles(names: string): Promise<string[]> {
  const files: string[] = [];
  for (const name of names.split(',').map((text) => text.trim())) {
    if (name !== '') files.push(...(await filesOf(name)));
  }
  if (files.length === 0) throw new LoadError('no file of images is named');
  return files;
}

async function filesOf(name: string): Promise<string[]> {
  if (name === '-') return [name];
  const found = await statOf(name);
  const paths = found === undefined ? await matching(name) : [name];
  if (paths.length === 0) throw new LoadError(`no files matched ${JSON.stringify(name)}`);
  const files: string[] = [];
  for (const path of paths) files.push(...(await atPath(path)));
  return files;
}

async function matching(pattern: string): Promise<string[]> {
  const paths: string[] = [];
  for await (const path of glob(pattern)) {
    paths.push(path);
    if (paths.length > maxFiles)
      throw new LoadError(`more than ${maxFiles} files match ${JSON.stringify(pattern)}`);
  }
  return paths.toSorted();
}

async function atPath(path: string): Promise<string[]> {
  if ((await statOf(path))?.isDirectory() !== true || (await isLayout(path))) return [path];
  const names = await manifestsBelow(path);
  if (names.length === 0)
    throw new LoadError(`${JSON.stringify(path)} has no manifests (.yaml, .yml, .json)`);
  return names;
}

/** Links are not followed to folders: they may lead back. */
async function manifestsBelow(folder: string): Promise<string[]> {
  const names: string[] = [];
  const folders = [folder];
  let looked = 0;
  // It grows meanwhile.
  for (const parent of folders) {
    for (const entry of await readdir(parent, { withFileTypes: true }).catch((error: unknown) => {
      throw unreadable(parent, error);
    })) {
      looked += 1;
      const path = join(parent, entry.name);
      if (entry.isDirectory()) folders.push(path);
      else if (/\.(?:ya?ml|json)$/i.test(entry.name)) names.push(path);
    }
    if (names.length > maxFiles || looked > maxEntries)
      throw new LoadError(`${JSON.stringify(folder)} has more than ${maxFiles} manifests, or too much else`);
  }
  return names.toSorted();
}

/** What a file is, by what it begins with. What cannot be read is text, which is told when it is read. A pipe is not opened: who opens one waits for who writes to it. */
export async function kindOf(name: string): Promise<FileKind> {
  const found = await statOf(name);
  if (found?.isDirectory() === true) return 'layout';
  return found?.isFile() === true ? kindOfHead(await headOf(name)) : 'text';
}

async function headOf(name: string): Promise<Uint8Array> {
  try {
    await using file = await open(name, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return new Uint8Array();
  }
}

async function isLayout(folder: string): Promise<boolean> {
  return (await statOf(join(folder, 'oci-layout'))) !== undefined;
}

async function statOf(path: string): Promise<Stats | undefined> {
  return await stat(path).catch(() => undefined);
}
