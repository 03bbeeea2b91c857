import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
};

const chunkBytes = 64 * 1024;

/** A whole file that is no larger than `limit` bytes, also a pipe. Throws an Error whose message says why not. */
export async function readBoundedFile(path: string, limit: number): Promise<Buffer> {
  return await reading(async () => {
    await using file = await open(path, 'r');
    return await readAll(file, limit);
  });
}

/** The same of a regular file alone: who opens a pipe waits for who writes to it, and holds a thread for as long. */
export async function readRegularFile(path: string, limit: number): Promise<Buffer> {
  return await reading(async () => {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const stats = await file.stat();
    if (stats.isDirectory()) throw new Error('is a directory');
    if (!stats.isFile()) throw new Error('is no regular file');
    return await readAll(file, limit);
  });
}

async function reading(read: () => Promise<Buffer>): Promise<Buffer> {
  try {
    return await read();
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    if (code === undefined) throw cause;
    throw new Error(reasons[code] ?? `cannot be read (${code})`, { cause });
  }
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
