import { stat } from 'node:fs/promises';

/**
 * Another text for every other file at one of these paths and every change of one, of its owner and mode too; a file that is not there
 * counts as one.
 */
export async function fileVersions(paths: readonly string[]): Promise<string> {
  const versions = paths.map(async (path) => {
    const stats = await stat(path, { bigint: true }).catch(() => undefined);
    return stats === undefined
      ? 'none'
      : [stats.dev, stats.ino, stats.mtimeNs, stats.ctimeNs, stats.size].join(' ');
  });
  return (await Promise.all(versions)).join(', ');
}
