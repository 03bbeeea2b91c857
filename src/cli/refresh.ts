import type { RefreshedTag } from '../admin/refresh-images.ts';
import { refreshCached } from '../app/refresh.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openLogger } from '../observe/logger.ts';
import { namePatterns } from '../values/name-patterns.ts';
import { Interruption } from './interruption.ts';
import { isWritten, JsonLines } from './paced-output.ts';
import type { PinOutput } from './pin.ts';

export interface RefreshOrder {
  /** Regular expressions with commas between them. */
  readonly pattern: string;
  readonly output: 'text' | 'json';
}

export interface RefreshCommandParts extends PinOutput {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
}

/**
 * Asks upstream where every cached tag that matches points now, and prints what became of each. True: there are some, and none failed. SIGINT and SIGTERM
 * end it. Throws an Error for a pattern that is none, and where nothing could be begun.
 */
export async function refresh(
  { config }: LoadedConfig,
  { pattern, output }: RefreshOrder,
  { version, env, stdout, stderr }: RefreshCommandParts,
): Promise<boolean> {
  const matches = namePatterns(pattern);
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  using interruption = new Interruption();
  // The pauses of the server's own code (Clock) do not keep a process alive.
  using _alive = setInterval(() => {}, 60_000);
  const json = new JsonLines();
  let [count, failed] = [0, 0];
  for await (const tags of refreshCached(
    config,
    { matches },
    { version, env, log, signal: interruption.signal },
  )) {
    count += tags.length;
    failed += tags.filter(({ outcome }) => outcome === 'failed').length;
    await isWritten(stdout, output === 'json' ? json.of(tags.map(objectOf)) : tags.map(lineOf).join(''));
  }
  if (output === 'json') await isWritten(stdout, json.end);
  else if (count === 0) stderr.write('no cached tag matches\n');
  return count > 0 && failed === 0;
}

function lineOf({ outcome, reference, digest, problem }: RefreshedTag): string {
  return `${outcome} ${reference} ${digest}${problem === undefined ? '' : `: ${problem}`}\n`;
}

function objectOf({ reference, outcome, digest, problem }: RefreshedTag): object {
  return { reference, outcome, digest, problem };
}
