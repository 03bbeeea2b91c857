import type { Writable } from 'node:stream';
import { type ExportOrder, exportImages } from '../app/export.ts';
import { loadImages } from '../app/load.ts';
import { systemClock } from '../base/clock.ts';
import type { ExportedImage } from '../bundle/export-images.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { Tally } from '../load/tally.ts';
import { type OpenLogger, openLogger } from '../observe/logger.ts';
import { isDigest, shownImage } from '../oci/reference.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { ImageReport, type ReportedImage } from './image-report.ts';
import { Interruption } from './interruption.ts';
import { wantedImages } from './wanted-images.ts';

/** While nothing ends, it is said so often how far it is. Milliseconds. */
const progressMs = 10_000;

export interface ExportCommand extends Omit<ExportOrder, 'selection'> {
  /** Regular expressions with commas between them; none is everything. */
  readonly pattern: string;
  /** Milliseconds since the epoch. */
  readonly usedSince: number | undefined;
  /** A list of images that are loaded first: they are what is exported. */
  readonly wanted: string | undefined;
  readonly output: 'text' | 'json';
}

export interface ExportCommandParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: Writable;
  readonly stderr: { write(text: string): unknown };
}

/**
 * Exports what the directory has. True: all that was selected. SIGINT and SIGTERM end it, and nothing is left of it then. Throws an Error where nothing is
 * exported.
 */
export async function exportCommand(
  { config }: LoadedConfig,
  { output, pattern, usedSince, wanted, ...order }: ExportCommand,
  parts: ExportCommandParts,
): Promise<boolean> {
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  const begunAt = systemClock.monotonic();
  const { stdout, stderr } = parts;
  const words = { done: 'exported', moved: 'written', present: 'were in it' };
  const report = new ImageReport(words, output, (text) => (order.to === '-' ? stderr : stdout).write(text));
  using interruption = new Interruption();
  const { signal } = interruption;
  using _progress = setInterval(() => stderr.write(report.progress), progressMs);
  const names =
    wanted === undefined
      ? undefined
      : await loadWanted(config, wanted, order, { ...parts, log, report, signal });
  const matches = namePatterns(pattern);
  const selection = {
    usedSince,
    isExact: names !== undefined,
    matches: (name: string) => matches(name) && names?.has(name) !== false,
  };
  const ended = (image: ExportedImage) => report.add(reported(image));
  await exportImages(config, { ...order, selection }, { log, stdout, signal, ended });
  report.end((systemClock.monotonic() - begunAt) / 1000);
  return report.isOk;
}

function reported({ name, descriptor: { digest }, problem, left, tally }: ExportedImage): ReportedImage {
  const note = `without ${left} of its manifests, which ${left === 1 ? 'is' : 'are'} not cached whole`;
  return { name: shownImage(name), digest, problem, tally, note: left === 0 ? undefined : note };
}

/** Pulls them as `load` does; returns the names of those that came. */
async function loadWanted(
  config: Config,
  file: string,
  { platforms }: Pick<ExportOrder, 'platforms'>,
  {
    log,
    report,
    signal,
    ...parts
  }: ExportCommandParts &
    Pick<OpenLogger, 'log'> & { readonly report: ImageReport; readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const files = await wantedImages(config, file, parts.stdin, signal);
  for (const problem of files.problems) report.add(failed(file, problem));
  const nameOf = new Map(
    files.images.map(({ name, repository, reference }) => [
      name,
      `${repository}${isDigest(reference) ? '@' : ':'}${reference}`,
    ]),
  );
  const names = new Set<string>();
  await loadImages(
    config,
    { images: files.images },
    { platforms, referrers: true },
    {
      ...{ version: parts.version, env: parts.env, log, signal },
      ended: ({ name, problem, tally }) => {
        if (problem === undefined) names.add(nameOf.get(name) ?? name);
        else report.add({ name, problem, tally });
      },
    },
  );
  signal.throwIfAborted();
  return names;
}

function failed(name: string, problem: string): ReportedImage {
  return { name, problem, tally: new Tally() };
}
