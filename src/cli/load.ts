import type { Readable } from 'node:stream';
import { configuredPlatforms, imagesToLoad, loadImages, withItsName } from '../app/load.ts';
import { standardInput } from '../app/standard-input.ts';
import type { Log } from '../base/log.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { Wanted } from '../load/image-load.ts';
import { openLogger } from '../observe/logger.ts';
import type { Platform } from '../oci/platform.ts';
import { Interruption } from './interruption.ts';
import { type LoadDisplay, showInLines, showOnTerminal } from './load-display.ts';
import type { LoadState } from './load-frame.ts';
import { isOk, jsonOf, lineOf, summaryOf } from './load-report.ts';
import { LoadRun } from './load-run.ts';
import { shownText } from './shown-text.ts';
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
  using interruption = new Interruption();
  const { signal } = interruption;
  const { stdin, stdout, stderr } = parts;
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  // Whoever writes to it need not end before we do.
  using _stdin = { [Symbol.dispose]: () => void stdin.destroy() };
  const run = new LoadRun(signal);
  const files = await imagesToLoad(config, config.imageFile, standardInput(stdin, signal), signal);
  for (const problem of files.problems) stderr.write(`${shownText(problem)}\n`);
  const loadable = withItsName(files, config);
  run.begin(files.images.length + files.archives.length, files.problems);
  {
    using display = await displayOf(run, parts);
    await loadImages(config, loadable, wantedBy(order, config), {
      ...{ version: parts.version, env: parts.env, log: besides(display, log), signal },
      ...{ progress: run.progress, parallel: order.parallel },
      ended: (image) => {
        run.end(image);
        // Of a long list most have not begun.
        if (order.output === 'json' || (signal.aborted && image.problem !== undefined)) return;
        display.makeWay();
        stdout.write(lineOf(image, parts.isColoured));
      },
    });
  }
  const { report } = run;
  stdout.write(order.output === 'text' ? summaryOf(report) : jsonOf(report));
  return isOk(report);
}

function wantedBy({ platforms, referrers }: LoadOrder, config: Config): Wanted {
  return { platforms: platforms.length > 0 ? platforms : configuredPlatforms(config), referrers };
}

async function displayOf(run: LoadRun, { terminal, stderr }: LoadCommandParts): Promise<LoadDisplay> {
  const state = (): LoadState => run.state;
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
