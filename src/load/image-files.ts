import { glob, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBoundedFile } from '../base/bounded-file.ts';
import { LoadError, reasonOf } from './load-error.ts';

/** What is given as a file of images, and what stands in it. */
export interface ImageFile {
  /** As it was named; `-` is standard input. */
  readonly name: string;
  readonly kind: 'text' | 'archive' | 'layout';
}

/** kubectl's JSON of a large cluster has some ten kilobytes for each pod. Bytes. */
const maxTextBytes = 256 * 1024 * 1024;
/** Where a tar says that it is one (POSIX.1 ustar), and how much is looked at. Bytes. */
const ustarAt = 257;
const headBytes = 512;
/** In a folder of manifests. */
const maxFiles = 20_000;

/**
 * Files by a list with commas between names, patterns and folders; `-` is standard input, once. Of a folder its manifests, `.yaml`, `.yml` and `.json`, at
 * any depth, unless it is an OCI layout. Throws LoadError where a name or a pattern is nothing's.
 */
export async function imageFiles(names: string): Promise<ImageFile[]> {
  const files: ImageFile[] = [];
  for (const name of names.split(',').map((text) => text.trim())) {
    if (name !== '') files.push(...(await filesOf(name)));
  }
  if (files.length === 0) throw new LoadError('no file of images is named');
  return files;
}

async function filesOf(name: string): Promise<ImageFile[]> {
  if (name === '-') return [{ name, kind: 'text' }];
  const found = await stat(name).catch(() => undefined);
  const paths = found === undefined ? (await Array.fromAsync(glob(name))).toSorted() : [name];
  if (paths.length === 0) throw new LoadError(`no files matched ${JSON.stringify(name)}`);
  const files: ImageFile[] = [];
  for (const path of paths) files.push(...(await atPath(path)));
  return files;
}

async function atPath(path: string): Promise<ImageFile[]> {
  if (!(await stat(path)).isDirectory()) return [{ name: path, kind: await kindOf(path) }];
  const isLayout = (await stat(join(path, 'oci-layout')).catch(() => undefined)) !== undefined;
  if (isLayout) return [{ name: path, kind: 'layout' }];
  const names = await manifestsBelow(path);
  if (names.length === 0)
    throw new LoadError(`${JSON.stringify(path)} has no manifests (.yaml, .yml, .json)`);
  return names.map((name) => ({ name, kind: 'text' }));
}

async function manifestsBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const names = entries
    .filter((entry) => !entry.isDirectory() && /\.(?:ya?ml|json)$/i.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  if (names.length > maxFiles)
    throw new LoadError(`${JSON.stringify(folder)} has more than ${maxFiles} manifests`);
  return names.toSorted();
}

async function kindOf(path: string): Promise<ImageFile['kind']> {
  await using file = await open(path, 'r').catch((error: unknown) => {
    throw new LoadError(`${JSON.stringify(path)} cannot be read: ${reasonOf(error)}`);
  });
  if (!(await file.stat()).isFile()) return 'text';
  const { buffer, bytesRead } = await file.read(Buffer.alloc(headBytes), 0, headBytes, 0);
  return isArchive(buffer.subarray(0, bytesRead)) ? 'archive' : 'text';
}

/** A tar, or what is compressed by gzip (RFC 1952) or zstd (RFC 8878), by its first bytes. */
function isArchive(head: Buffer): boolean {
  const magic = head.toString('hex', 0, 4);
  return (
    magic.startsWith('1f8b') ||
    magic === '28b52ffd' ||
    head.toString('latin1', ustarAt, ustarAt + 5) === 'ustar'
  );
}

/** Its text; `stdin` is read where it is that. Throws LoadError. */
export async function textOf({ name }: ImageFile, stdin: AsyncIterable<Uint8Array>): Promise<string> {
  try {
    if (name === '-') return await allOf(stdin);
    return (await readBoundedFile(name, maxTextBytes, { orShellPipe: true })).toString('utf8');
  } catch (error) {
    throw new LoadError(`${JSON.stringify(name)} cannot be read: ${reasonOf(error)}`);
  }
}

async function allOf(stdin: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stdin) {
    chunks.push(chunk);
    size += chunk.length;
    if (size > maxTextBytes) throw new Error(`larger than ${maxTextBytes} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}
