import { abortable } from '../base/abortable.ts';
import { isOriginal } from '../bundle/original-folders.ts';
import type { Config } from '../config/schema.ts';
import type { Caching } from './caching.ts';
import type { TakeOverParts } from './original-import.ts';

interface BackgroundParts extends Pick<TakeOverParts, 'clock' | 'log'> {
  /**
   * Settles when the index knows again what it knew before it was lost, which is of a later time than what 1.17 has left; false: it does not. Default: nothing was lost.
   */
  readonly isKnown?: Promise<boolean> | undefined;
}

/**
 * Imports what Ociregistry 1.17 has left beside our own data, beside the clients. What was imported or refused once is not looked at again, unless it has changed: what was
 * pruned since does not come back. What fails is logged. Disposing ends it: it is gone on with next time.
 */
export function beginOriginalImport(
  { imagePath }: Pick<Config, 'imagePath'>,
  caching: Caching,
  parts: BackgroundParts,
): AsyncDisposable {
  const stop = new AbortController();
  const done = takeOverWhatIsThere(imagePath, caching, parts, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) parts.log.error({ err: error }, 'error importing the images of 1.17');
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

/** Most directories are none of 1.17's: what imports them is not loaded before. */
async function takeOverWhatIsThere(
  imagePath: string,
  caching: Caching,
  { isKnown = Promise.resolve(true), clock, log }: BackgroundParts,
  signal: AbortSignal,
): Promise<void> {
  if (!(await isOriginal(imagePath)) || !(await abortable(isKnown, signal))) return;
  const { takeOver } = await import('./original-import.ts');
  await takeOver(imagePath, caching, { clock, log, signal });
}
