import { realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { importFolder } from '../bundle/import-folder.ts';
import { OriginalDirectory } from '../bundle/original-directory.ts';
import { originalFolders } from '../bundle/original-folders.ts';
import type { Caching } from './caching.ts';
import { entryMemory, importRun } from './import.ts';

export interface TakeOverParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** All of the directory, in the place of one entry: its folders, when nothing in them is new or refused. */
const wholeDirectory = '.';

/** What was imported or refused as it is now is not looked at again. */
export async function takeOver(imagePath: string, caching: Caching, parts: TakeOverParts): Promise<void> {
  const { stateOf, settle } = entryMemory(caching.store);
  const state = await foldersIn(imagePath);
  if ((await stateOf(wholeDirectory)) === state) return;
  // What was refused may be mended in its place, which nobody sees from outside.
  if (await importOriginal(imagePath, caching, parts)) await settle(wholeDirectory, state);
}

/** Returns whether all of it is imported. */
async function importOriginal(
  imagePath: string,
  caching: Caching,
  { clock, log, signal }: TakeOverParts,
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
