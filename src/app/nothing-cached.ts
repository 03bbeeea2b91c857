import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { layoutVersion } from './store.ts';

/** That nothing was ever cached in the directory, in words: a wrong path looks so, too. Undefined: something was. */
export function nothingCached(imagePath: string): string | undefined {
  return existsSync(join(imagePath, layoutVersion)) ? undefined : `nothing is cached in ${imagePath}`;
}

/** Throws an Error where nothing is: no directory is made to find that in. */
export function assertCached(imagePath: string): void {
  const nothing = nothingCached(imagePath);
  if (nothing !== undefined) throw new Error(nothing);
}
