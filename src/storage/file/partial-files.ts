import { join } from 'node:path';
import type { FileSystem } from './file-system.ts';

/** A transfer that runs writes at least every half minute (the stall limit); this leaves no doubt. Milliseconds. */
const abandonedMs = 10 * 60_000;

/**
 * Removes partial files that nobody writes any more. Only by age: another process of this machine may be writing, and
 * process ids say nothing across containers.
 */
export async function removeAbandoned(files: FileSystem, directory: string, now: number): Promise<void> {
  for await (const { name } of await files.opendir(directory)) {
    const path = join(directory, name);
    const { mtimeMs } = await files.stat(path).catch(() => ({ mtimeMs: now }));
    if (now - mtimeMs > abandonedMs) await files.rm(path, { force: true });
  }
}
