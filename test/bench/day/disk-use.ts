import type { Dirent } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

const blockBytes = 512;

/** What all below a directory takes of the disk, as `du` counts it; what goes meanwhile is nothing. Bytes. */
export async function diskUse(directory: string): Promise<number> {
  const sizes = await Promise.all(
    (await entriesOf(directory)).map(async (entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? await diskUse(path) : await sizeOf(path);
    }),
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  return await readdir(directory, { withFileTypes: true }).catch(() => []);
}

async function sizeOf(path: string): Promise<number> {
  return await lstat(path).then(
    ({ blocks }) => blocks * blockBytes,
    () => 0,
  );
}
