import { constants } from 'node:fs';
import { type FileHandle, open, readlink } from 'node:fs/promises';

const notRegular = 'is no regular file';
const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EAGAIN: notRegular,
  EISDIR: 'is a directory',
  ENXIO: notRegular,
};

const chunkBytes = 64 * 1024;

export interface Reading {
  /** Also from a pipe without a name, as a shell makes it: `<(…)`, `… |`. It is read to its end, which comes when its writer has ended. */
  readonly orShellPipe?: boolean;
}

/**
 * A whole file that is no larger than `limit` bytes; a device such as /dev/null as far as it has something at once. No pipe: who opens one
 * waits for who writes to it, and holds a thread for as long. Throws an Error whose message says why not.
 */
export async function readBoundedFile(
  path: string,
  limit: number,
  { orShellPipe = false }: Reading = {},
): Promise<Buffer> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (stats.isFile() || stats.isCharacterDevice()) return await readAll(file, limit);
    if (stats.isDirectory()) throw new Error('is a directory');
    if (!orShellPipe || !(await isShellPipe(file))) throw new Error(notRegular);
    await using pipe = await open(path, 'r');
    return await readAll(pipe, limit);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    if (code === undefined) throw cause;
    throw new Error(reasons[code] ?? `cannot be read (${code})`, { cause });
  }
}

/**
 * A pipe without a name, as a shell makes it, to be read while it is written. Undefined: it is none, or cannot be opened. Whoever has it
 * closes it.
 */
export async function openShellPipe(path: string): Promise<FileHandle | undefined> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    return (await isShellPipe(file)) ? await open(path, 'r') : undefined;
  } catch {
    return undefined;
  }
}

/** Has it no name in any directory (proc(5), `/proc/pid/fd`)? Then whoever made it has opened it for writing, and to open it waits for nobody. */
async function isShellPipe({ fd }: FileHandle): Promise<boolean> {
  const target = await readlink(`/proc/self/fd/${fd}`).catch(() => '');
  return target.startsWith('pipe:[');
}

async function readAll(file: FileHandle, limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let length = 0; length <= limit; ) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes);
    if (bytesRead === 0) return Buffer.concat(chunks);
    chunks.push(buffer.subarray(0, bytesRead));
    length += bytesRead;
  }
  throw new Error(`larger than ${limit} bytes`);
}
