import { type FileHandle, open } from 'node:fs/promises';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'is a directory',
};

/** A whole file that is no larger than `limit` bytes, also a pipe. Throws an Error whose message says why not. */
export async function readBoundedFile(path: string, limit: number): Promise<Buffer> {
  try {
    await using file = await open(path, 'r');
    return await readAll(file, limit);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : undefined;
    if (code === undefined) throw cause;
    throw new Error(reasons[code] ?? `cannot be read (${code})`, { cause });
  }
}

async function readAll(file: FileHandle, limit: number): Promise<Buffer> {
  const buffer = Buffer.alloc(limit + 1);
  let length = 0;
  while (length <= limit) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length);
    if (bytesRead === 0) return buffer.subarray(0, length);
    length += bytesRead;
  }
  throw new Error(`larger than ${limit} bytes`);
}
