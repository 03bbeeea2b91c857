import { readFile, realpath, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { importFolder } from '../bundle/import-folder.ts';
import { OriginalDirectory, originalFolders } from '../bundle/original-directory.ts';
import type { Config } from '../config/schema.ts';
import type { Caching } from './caching.ts';
import { importRun } from './import.ts';
import { layoutVersion } from './store.ts';

interface TakeOverParts {
  readonly clock: Clock;
  readonly log: Log;
}

/** What was imported, in our directory: how it was found. */
const noteName = 'imported-1.17.json';

/**
 * Imports what Ociregistry 1.17 has left beside our own data, beside the clients; undefined: there is nothing, or it was imported before and is as it was. What fails is logged.
 * Disposing ends it: it is gone on with next time.
 */
export async function beginOriginalImport(
  { imagePath }: Pick<Config, 'imagePath'>,
  caching: Caching,
  parts: TakeOverParts,
): Promise<AsyncDisposable | undefined> {
  if (!(await OriginalDirectory.isIn(imagePath))) return undefined;
  const state = await stateOf(imagePath);
  const note = join(imagePath, layoutVersion, noteName);
  if ((await readFile(note, 'utf8').catch(() => '')) === state) return undefined;
  const stop = new AbortController();
  const done = importOriginal(imagePath, caching, parts, stop.signal)
    .then(async (isWhole) => {
      // What was not whole may be mended in its place, which nobody sees from outside.
      if (isWhole) await writeNote(note, state);
    })
    .catch((error: unknown) => {
      if (!stop.signal.aborted) parts.log.error({ err: error }, 'error importing the images of 1.17');
    });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

/** Returns whether all of it is imported. */
async function importOriginal(
  imagePath: string,
  caching: Caching,
  { clock, log }: TakeOverParts,
  signal: AbortSignal,
): Promise<boolean> {
  const begunAt = clock.monotonic();
  log.warn({ imagePath }, 'importing the images that Ociregistry 1.17 has left here');
  let [imported, failed] = [0, 0];
  const run = importRun(caching, {
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
  await importFolder(new OriginalDirectory(await realpath(imagePath)), run);
  if (signal.aborted) return false;
  const seconds = Math.round((clock.monotonic() - begunAt) / 1000);
  log.warn({ imported, failed, seconds }, 'the images of 1.17 are imported');
  return failed === 0;
}

/** Moves on when a file comes into one of its folders, or goes. */
async function stateOf(imagePath: string): Promise<string> {
  const times = await Promise.all(
    originalFolders.map(async (name) => {
      const status = await stat(join(imagePath, name), { bigint: true }).catch(() => undefined);
      return [name, status === undefined ? 'none' : String(status.mtimeNs)];
    }),
  );
  return `${JSON.stringify(Object.fromEntries(times))}\n`;
}

async function writeNote(path: string, text: string): Promise<void> {
  await writeFile(`${path}.new`, text);
  await rename(`${path}.new`, path);
}
