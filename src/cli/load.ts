import { configuredPlatforms, imagesToLoad, loadImages } from '../app/load.ts';
import { systemClock } from '../base/clock.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { LoadedImage } from '../load/load-images.ts';
import { openLogger } from '../observe/logger.ts';
import type { Platform } from '../oci/platform.ts';
import { Interruption } from './interruption.ts';
import { isOk, jsonOf, lineOf, megabytes, summaryOf } from './load-report.ts';

/** While nothing ends, it is said so often how far it is. Milliseconds. */
const progressMs = 10_000;

export interface LoadOrder {
  /** Of an index only these; none: that of the configuration, else all. */
  readonly platforms: readonly Platform[];
  readonly referrers: boolean;
  readonly output: 'text' | 'json';
}

export interface LoadCommandParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Loads what `imageFile` names. True: all of it. SIGINT and SIGTERM end it; what is not done by then has failed, and what came is gone on with next
 * time. Throws an Error where nothing could be begun.
 */
export async function load(
  { config }: LoadedConfig,
  { platforms, referrers, output }: LoadOrder,
  { version, env, stdin, stdout, stderr }: LoadCommandParts,
): Promise<boolean> {
  if (config.imageFile === '') throw new Error('which images? Name a file of them: --image-file');
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  const begunAt = systemClock.monotonic();
  const files = await imagesToLoad(config, config.imageFile, stdin);
  const isText = output === 'text';
  for (const problem of files.problems) stderr.write(`${problem}\n`);
  using interruption = new Interruption();
  // The pauses of the server's own code (Clock) do not keep a process alive.
  let fetched = (): number => 0;
  const tell = (): void => {
    stderr.write(
      `${images.length} of ${files.images.length} images are done, ${megabytes(fetched())} came\n`,
    );
  };
  using _progress = setInterval(tell, progressMs);
  const images: LoadedImage[] = [];
  const wanted = { platforms: platforms.length > 0 ? platforms : configuredPlatforms(config), referrers };
  await loadImages(config, files, wanted, {
    ...{ version, env, log, signal: interruption.signal },
    begun: (count) => {
      fetched = count;
    },
    ended: (image) => {
      images.push(image);
      if (isText) stdout.write(lineOf(image));
    },
  });
  const seconds = (systemClock.monotonic() - begunAt) / 1000;
  const report = { images, problems: files.problems, seconds };
  stdout.write(isText ? summaryOf(report) : jsonOf(report));
  return isOk(report);
}
