import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { importFolder } from '../bundle/import-folder.ts';
import { OriginalDirectory, originalFolders } from '../bundle/original-directory.ts';
import type { Config } from '../config/schema.ts';
import type { Caching } from './caching.ts';
import { entryMemory, importRun } from './import.ts';

interface TakeOverParts {
  readonly clock: Clock;
  readonly log: Log;
  /**
   * Settles when the index knows again what it knew before it was lost, which is of a later time than what 1.17 has left; false: it does not. Default: nothing was lost.
   */
  readonly isKnown?: Promise<boolean> | undefined;
}

/** All of the directory, in the place of one entry: its folders, when nothing in them is new or refused. */
const wholeDirectory = '.';

/**
 * Imports what Ociregistry 1.17 has left beside our own data, beside the clients. What was imported or refused once is not looked at again, unless it has changed: what was
 * pruned since does not come back. What fails is logged. Disposing ends it: it is gone on with next time.
 */
export function beginOriginalImport(
  { imagePath }: Pick<Config, 'imagePath'>,
  caching: Caching,
  parts: TakeOverParts,
): AsyncDisposable {
  const stop = new AbortController();
  const done = takeOver(imagePath, caching, parts, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) parts.log.error({ err: error }, 'error importing the images of 1.17');
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

async function takeOver(
  imagePath: string,
  caching: Caching,
  parts: TakeOverParts,
  signal: AbortSignal,
): Promise<void> {
  const { isKnown = Promise.resolve(true) } = parts;
  if (!(await OriginalDirectory.isIn(imagePath)) || !(await abortable(isKnown, signal))) return;
  const { stateOf, settle } = entryMemory(caching.store);
  const state = await foldersIn(imagePath);
  if ((await stateOf(wholeDirectory)) === state) return;
  // What was refused may be mended in its place, which nobody sees from outside.
  if (await importOriginal(imagePath, caching, parts, signal)) await settle(wholeDirectory, state);
}

/** Returns whether all of it is imported. */
async function importOriginal(
  imagePath: string,
  caching: Caching,
  { clock, log }: TakeOverParts,
  signal: AbortSignal,
): Promise<boolean> {
  const begunAt = clock.monotonic();
  log.warn({ imagePath }, 'looking for what is new of the images that Ociregistry 1.17 has left here');
  let [imported, failed] = [0, 0];
  // Nothing lived in 1.17.
  const run = importRun({ hosted: [] }, caching, {
    ...{ clock, signal, platforms: [] },
    ended: ({ name, digest, problem }) => {
      if (problem === undefined) {
        imported += 1;
        log.info({ image: name, digest }, 'an image of 1.17 is imported');
      } else if (!signal.aborted) {
        failed += 1;
        log.error({ image: name, problem }, 'an image of 1.17 cannot be imported');
      }
    },
  });
  const memory = entryMemory(caching.store);
  const directory = new OriginalDirectory(await realpath(imagePath), memory);
  await importFolder(directory, run);
  if (signal.aborted) return false;
  const seconds = Math.round((clock.monotonic() - begunAt) / 1000);
  const { passedOver, refused } = directory;
  log.warn({ imported, failed, seconds, passedOver, refused }, 'the images of 1.17 are imported');
  return failed + refused === 0;
}

/** Moves on when a file comes into one of its folders, or goes. */
async function foldersIn(imagePath: string): Promise<string> {
  const times = await Promise.all(
    originalFolders.map(async (name) => {
      const status = await stat(join(imagePath, name), { bigint: true }).catch(() => undefined);
      return [name, status === undefined ? 'none' : String(status.mtimeNs)];
    }),
  );
  return JSON.stringify(Object.fromEntries(times));
}
