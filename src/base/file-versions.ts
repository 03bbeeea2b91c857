import { stat } from 'node:fs/promises';

/**
 * Another text for every other file at one of these paths and every change of one, of its owner and mode too; a file that is not there
 * counts as one. One after the other: in a file system that does not answer each look holds a thread.
 */
export async function fileVersions(paths: readonly string[]): Promise<string> {
  const versions: string[] = [];
  for (const path of paths) versions.push(await versionOf(path));
  return versions.join(', ');
}

async function versionOf(path: string): Promise<string> {
  const stats = await stat(path, { bigint: true }).catch(() => undefined);
  return stats === undefined
    ? 'none'
    : [stats.dev, stats.ino, stats.mtimeNs, stats.ctimeNs, stats.size].join(' ');
}
