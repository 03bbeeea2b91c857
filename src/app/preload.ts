import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/schema.ts';
import type { Caching } from './caching.ts';
import { configuredPlatforms, imagesToLoad, loadInto } from './load.ts';
import { standardInput } from './standard-input.ts';

interface PreloadParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Settles when an index that was lost is known again, as far as that could be: what lies here need not be pulled. Default: none was. */
  readonly isTried?: Promise<void> | undefined;
}

/** Loads what `preloadImages` names, beside the clients; what fails is logged. Disposing ends it: what came is gone on with next time. */
export function beginPreload(config: Config, caching: Caching, parts: PreloadParts): AsyncDisposable {
  const stop = new AbortController();
  const done = preload(config, caching, parts, stop.signal).catch((error: unknown) => {
    if (!stop.signal.aborted) parts.log.error({ err: error }, 'error loading images');
  });
  return {
    [Symbol.asyncDispose]: async () => {
      stop.abort(new Error('the server is stopping'));
      await done;
    },
  };
}

async function preload(
  config: Config,
  caching: Caching,
  { clock, log, isTried = Promise.resolve() }: PreloadParts,
  signal: AbortSignal,
): Promise<void> {
  await abortable(isTried, signal);
  const begunAt = clock.monotonic();
  const { preloadImages: file } = config;
  log.info({ file }, 'loading images');
  const files = await imagesToLoad(config, file, standardInput(process.stdin, signal), signal);
  for (const problem of files.problems) log.error({ file, problem }, 'an image cannot be loaded');
  const wanted = { platforms: configuredPlatforms(config), referrers: false };
  let failed = files.problems.length;
  let [loaded, left] = [0, 0];
  await loadInto(caching, config, files, wanted, {
    clock,
    signal,
    ended: ({ name, digest, problem, kept, tally }) => {
      if (problem === undefined) {
        const { fetched, present } = tally;
        loaded += 1;
        log.info({ image: name, digest, fetched, present }, 'an image is loaded');
      } else if (kept !== undefined) {
        left += 1;
        log.warn({ image: name, digest: kept, problem }, 'an image is kept as it was');
      } else if (!signal.aborted) {
        failed += 1;
        log.error({ image: name, problem }, 'an image cannot be loaded');
      }
    },
  });
  if (signal.aborted) return;
  const seconds = Math.round((clock.monotonic() - begunAt) / 1000);
  log.info({ loaded, kept: left, failed, seconds }, 'images are loaded');
}
