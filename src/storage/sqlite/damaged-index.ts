import { randomBytes } from 'node:crypto';
import { renameSync, statSync } from 'node:fs';
import { damageSuffix } from './damage-watch.ts';

/** What SQLite has beside its file, and we. */
const companions = ['', '-wal', '-shm', damageSuffix];

/**
 * Puts aside what lies in the place of an index and is none, with what belongs to it. Another process may have done so, and have made a new one: then it
 * is left alone, and nothing is returned. `damaged`: its identity; undefined: only what belongs to it lies there. Throws the file error.
 */
export function putIndexAside(path: string, damaged: string | undefined): string | undefined {
  if (identityOf(path) !== damaged) return undefined;
  const aside = `${path}.aside-${randomBytes(4).toString('hex')}`;
  for (const suffix of companions) {
    if (identityOf(`${path}${suffix}`) !== undefined) renameSync(`${path}${suffix}`, `${aside}${suffix}`);
  }
  if (identityOf(aside) === damaged) return aside;
  // It was another by then.
  for (const suffix of companions.toReversed()) {
    if (identityOf(`${aside}${suffix}`) !== undefined) renameSync(`${aside}${suffix}`, `${path}${suffix}`);
  }
  return undefined;
}

/** Which file lies there; undefined: none. */
export function identityOf(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : `${status.dev} ${status.ino}`;
}
