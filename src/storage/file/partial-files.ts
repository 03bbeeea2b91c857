import { opendir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A transfer that runs writes at least every half minute (the stall limit); this leaves no doubt. Milliseconds. */
const abandonedMs = 10 * 60_000;

/**
 * Removes partial files that nobody writes any more. Only by age: another process of this machine may be writing, and
 * process ids say nothing across containers.
 */
export async function removeAbandoned(directory: string, now: number): Promise<void> {
  for await (const { name } of await opendir(directory)) {
    const path = join(directory, name);
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: now }));
    if (now - mtimeMs > abandonedMs) await rm(path, { force: true });
  }
}
