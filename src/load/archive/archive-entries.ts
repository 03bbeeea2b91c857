import { createReadStream, ReadStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { extract, type Header } from 'tar-stream';
import { abortable } from '../../base/abortable.ts';
import { compressionOf, headBytes } from '../file-kind.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import { sniffed } from '../sniffed-bytes.ts';

/** A file in an archive. Its body is read before the next entry is asked for, or left. */
export interface ArchiveEntry {
  /** Without `./` in front. */
  readonly path: string;
  readonly size: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/** What links to another file of the archive, by their paths. */
export interface ArchiveLink {
  readonly path: string;
  readonly to: string;
}

/** What is wrong with one entry, which says nothing of the others; in words. */
export interface WrongEntry {
  readonly problem: string;
}

/** The archive ends here, or cannot be read any further. */
export class BrokenOffError extends LoadError {}

export interface TarReading {
  /** All of it, where it comes from a pipe. Default: the file of its name. */
  readonly bytes?: AsyncIterable<Uint8Array> | undefined;
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The files of a tar, plain or compressed by gzip or zstd (also in several frames), in their order. Throws LoadError for what is no such tar, and
 * BrokenOffError, which names the entry, for what breaks off.
 */
export async function* tarEntries(
  name: string,
  { bytes, signal }: TarReading = {},
): AsyncGenerator<ArchiveEntry | ArchiveLink | WrongEntry> {
  const tar = extract();
  const file = bytes ?? createReadStream(name);
  let last = 'its beginning';
  try {
    const input = await abortable(sniffed(file, headBytes), signal);
    const decompress = decompressor(input.head);
    const options = signal === undefined ? {} : { signal };
    const piping =
      decompress === undefined
        ? pipeline(input.bytes, tar, options)
        : pipeline(input.bytes, decompress, tar, options);
    piping.catch(() => undefined);
    for await (const entry of tar) {
      last = JSON.stringify(entry.header.name);
      const chunks = entry[Symbol.asyncIterator]();
      const found = entryOf(entry.header, bodyOf(chunks, entry.header.name));
      if (found !== undefined) yield found;
      // What was not read is passed over.
      while ((await chunks.next()).done !== true);
    }
    await piping;
  } catch (error) {
    if (error instanceof LoadError) throw error;
    throw new BrokenOffError(`the tar cannot be read behind ${last}: ${reasonOf(error)}`);
  } finally {
    if (file instanceof ReadStream) file.destroy();
    tar.destroy();
  }
}

/** What it has, with what is wrong with the tar as a BrokenOffError. */
async function* bodyOf(chunks: AsyncIterator<unknown>, name: string): AsyncGenerator<Uint8Array> {
  try {
    // Whoever stops in the middle leaves the rest, and does not destroy the tar with it.
    for (let step = await chunks.next(); step.done !== true; step = await chunks.next())
      if (step.value instanceof Uint8Array) yield step.value;
  } catch (error) {
    throw new BrokenOffError(`the tar breaks off within ${JSON.stringify(name)}: ${reasonOf(error)}`);
  }
}

function decompressor(head: Uint8Array): Transform | undefined {
  const compression = compressionOf(head);
  if (compression === undefined) return undefined;
  if (compression === 'gzip') return createGunzip();
  if (compression === 'zstd') return createZstdDecompress();
  throw new LoadError(`it is compressed by ${compression}, which is not read here: decompress it first`);
}

function entryOf(
  { name, size, type, linkname }: Header,
  body: AsyncIterable<Uint8Array>,
): ArchiveEntry | ArchiveLink | WrongEntry | undefined {
  if (type === 'directory') return undefined;
  const path = inside(name, '');
  if (path === undefined) return leadsOut(name);
  if (type === 'file' || type === 'contiguous-file') return { path, size, body };
  if (type !== 'symlink' && type !== 'link') return undefined;
  const to = inside(linkname, type === 'link' ? '' : path.slice(0, path.lastIndexOf('/') + 1));
  return to === undefined ? leadsOut(linkname) : { path, to };
}

function leadsOut(path: string): WrongEntry {
  return { problem: `the tar has a path that leads out of it: ${JSON.stringify(path)}` };
}

/** A path within the archive, seen from a folder of it. Undefined: it leads out. */
function inside(name: string, folder: string): string | undefined {
  const steps: string[] = [];
  for (const step of `${name.startsWith('/') ? '..' : folder}/${name}`.split('/')) {
    if (step === '' || step === '.') continue;
    if (step !== '..') steps.push(step);
    else if (steps.pop() === undefined) return undefined;
  }
  return steps.join('/');
}

/** The files of an OCI layout that is a folder. */
export async function* folderEntries(folder: string): AsyncGenerator<ArchiveEntry> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    await using file = await open(path, 'r');
    const { size } = await file.stat();
    yield { path: relative(folder, path), size, body: file.createReadStream({ autoClose: false }) };
  }
}
