import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { temporaryDirectory } from './temporary-directory.ts';

/**
 * Pulls with the one file in the folder of containerd's hosts that a page shows; where the file goes is said by its first line. `shown`
 * is its text, with the server's address in it.
 */
export async function withHosts(shown: string, pull: (hosts: string) => Promise<void>): Promise<void> {
  await using directory = await temporaryDirectory();
  const [, path] = /^# \/etc\/containerd\/certs\.d\/(\S+)/.exec(shown) ?? [];
  if (path === undefined) throw new Error(`a file for containerd that does not say where it goes:\n${shown}`);
  const file = join(directory.path, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, shown);
  await pull(directory.path);
}
