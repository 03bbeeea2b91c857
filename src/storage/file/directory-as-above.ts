import { chownSync, mkdirSync, statSync } from 'node:fs';
import { chown, mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a directory that belongs to whom the one belongs to that it lies in: root may run a command on the cache of a server that is another user,
 * and what it makes must not be kept from that. Errors are those of `mkdir`.
 */
export async function makeAsAbove(path: string): Promise<void> {
  await mkdir(path);
  if (!isRoot()) return;
  const { uid, gid } = await stat(dirname(path));
  // Root in a container may give nothing away.
  await chown(path, uid, gid).catch(() => undefined);
}

/** The same at once. */
export function makeAsAboveSync(path: string): void {
  mkdirSync(path);
  if (!isRoot()) return;
  try {
    const { uid, gid } = statSync(dirname(path));
    chownSync(path, uid, gid);
  } catch {
    // As above.
  }
}

function isRoot(): boolean {
  return process.geteuid?.() === 0;
}
