import { type ImportOrder, importImages } from '../app/import.ts';
import { systemClock } from '../base/clock.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openLogger } from '../observe/logger.ts';
import { shownImage } from '../oci/reference.ts';
import { ImageReport } from './image-report.ts';
import { Interruption } from './interruption.ts';

/** While nothing ends, it is said so often how far it is. Milliseconds. */
const progressMs = 10_000;

export interface ImportCommand extends ImportOrder {
  readonly output: 'text' | 'json';
}

export interface ImportCommandParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Imports what lies at the paths. True: all of it. SIGINT and SIGTERM end it; what came is not read again next time, as far as it can be told. Throws an Error where
 * nothing could be begun.
 */
export async function importCommand(
  { config }: LoadedConfig,
  { output, ...order }: ImportCommand,
  { version, env, stdout, stderr }: ImportCommandParts,
): Promise<boolean> {
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  const begunAt = systemClock.monotonic();
  const words = { done: 'imported', moved: 'came', present: 'were there' };
  const report = new ImageReport(words, output, (text) => stdout.write(text));
  using interruption = new Interruption();
  using _progress = setInterval(() => stderr.write(report.progress), progressMs);
  await importImages(config, order, {
    ...{ version, env, log, signal: interruption.signal },
    ended: (image) => report.add({ ...image, name: shownImage(image.name) }),
  });
  report.end((systemClock.monotonic() - begunAt) / 1000);
  return report.isOk;
}
