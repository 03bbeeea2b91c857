import type { Readable } from 'node:stream';
import { configuredPlatforms, imagesToLoad, loadImages, withItsName } from '../app/load.ts';
import { standardInput } from '../app/standard-input.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { LoadedImage } from '../load/load-images.ts';
import { LoadProgress } from '../load/load-progress.ts';
import { openLogger } from '../observe/logger.ts';
import type { Platform } from '../oci/platform.ts';
import { Interruption } from './interruption.ts';
import { type LoadDisplay, showInLines, showOnTerminal } from './load-display.ts';
import type { LoadState } from './load-frame.ts';
import { isOk, jsonOf, lineOf, summaryOf } from './load-report.ts';
import type { Terminal } from './terminal.ts';

export interface LoadOrder {
  /** Of an index only these; none: that of the configuration, else all. */
  readonly platforms: readonly Platform[];
  readonly referrers: boolean;
  /** Images of lists at a time. */
  readonly parallel: number;
  readonly output: 'text' | 'json';
}

export interface LoadCommandParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: Readable;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  /** Standard error, where somebody looks at it. */
  readonly terminal?: Terminal | undefined;
  /** On standard output. */
  readonly isColoured?: boolean;
}

/**
 * Loads what `imageFile` names. True: all of it. SIGINT and SIGTERM end it; what is not done by then has failed, and what came is gone on with next
 * time. Throws an Error where nothing could be begun.
 */
export async function load(
  { config }: LoadedConfig,
  order: LoadOrder,
  parts: LoadCommandParts,
): Promise<boolean> {
  if (config.imageFile === '') throw new Error('which images? Name a file of them: --image-file');
  const { stdout, stderr, version, env } = parts;
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  const begunAt = systemClock.monotonic();
  using interruption = new Interruption();
  const { signal } = interruption;
  // Whoever writes to it need not end before we do.
  using _stdin = { [Symbol.dispose]: () => void parts.stdin.destroy() };
  const files = await imagesToLoad(config, config.imageFile, standardInput(parts.stdin, signal), signal);
  const { problems } = files;
  for (const problem of problems) stderr.write(`${problem}\n`);
  const loadable = withItsName(files, config);
  const images: LoadedImage[] = [];
  let failed = 0;
  const progress = new LoadProgress();
  const seconds = (): number => (systemClock.monotonic() - begunAt) / 1000;
  const state = (): LoadState => ({
    total: Math.max(images.length, files.images.length + files.archives.length),
    ...{ done: images.length, failed, seconds: seconds() },
    ...{ fetched: progress.fetched, running: progress.running },
  });
  {
    using display = await displayOf(state, parts);
    const { platforms, referrers, parallel } = order;
    const wanted = { platforms: platforms.length > 0 ? platforms : configuredPlatforms(config), referrers };
    await loadImages(config, loadable, wanted, {
      ...{ version, env, log: besides(display, log), signal, progress, parallel },
      ended: (image) => {
        images.push(image);
        if (image.problem !== undefined) failed += 1;
        // Of a long list most have not begun.
        if (order.output === 'json' || (signal.aborted && image.problem !== undefined)) return;
        display.makeWay();
        stdout.write(lineOf(image, parts.isColoured));
      },
    });
  }
  const report = { images, problems, seconds: seconds(), isInterrupted: signal.aborted };
  stdout.write(order.output === 'text' ? summaryOf(report) : jsonOf(report));
  return isOk(report);
}

async function displayOf(
  state: () => LoadState,
  { terminal, stderr }: LoadCommandParts,
): Promise<LoadDisplay> {
  return terminal === undefined ? showInLines(state, stderr) : await showOnTerminal(state, terminal);
}

/** A log that may be on the same terminal. */
function besides(display: LoadDisplay, log: Log): Log {
  const at =
    (level: keyof Log): Log[keyof Log] =>
    (fields, message) => {
      display.makeWay();
      log[level](fields, message);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
