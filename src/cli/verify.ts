import { type VerifiedFile, verifyStore } from '../app/verify.ts';
import { systemClock } from '../base/clock.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openLogger } from '../observe/logger.ts';
import { Interruption } from './interruption.ts';
import { megabytes } from './load-report.ts';
import { VerifyReport } from './verify-report.ts';

/** While nothing is found, it is said so often how far it is. Milliseconds. */
const progressMs = 10_000;

export interface VerifyOrder {
  /** Bytes a second; 0: no limit. */
  readonly rate: number;
  readonly repairs: boolean;
  readonly rebuilds: boolean;
  readonly output: 'text' | 'json';
}

export interface VerifyCommandParts {
  readonly version: string;
  readonly env: NodeJS.ProcessEnv;
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
}

/**
 * Hashes all that is stored, and says what is wrong. True: nothing is, any more. SIGINT and SIGTERM end it. Throws an Error where nothing could be
 * begun.
 */
export async function verify(
  { config }: LoadedConfig,
  { output, ...order }: VerifyOrder,
  { version, env, stdout, stderr }: VerifyCommandParts,
): Promise<boolean> {
  const { logLevel: level, logFormat: format, logFile } = config;
  const { log } = await openLogger({ level, format, file: logFile === '' ? undefined : logFile });
  const report = new VerifyReport(systemClock.monotonic());
  using interruption = new Interruption();
  // The pauses of the server's own code (Clock) do not keep a process alive.
  using _progress = setInterval(() => {
    stderr.write(`${report.files} files are checked, ${megabytes(report.bytes)}\n`);
  }, progressMs);
  const { signal } = interruption;
  const told = (file: VerifiedFile): void => {
    const line = report.add(file);
    if (line !== undefined && output === 'text') stdout.write(line);
  };
  for await (const file of verifyStore(config, { version, env, log, signal, ...order })) told(file);
  const seconds = (systemClock.monotonic() - report.begunAt) / 1000;
  stdout.write(output === 'text' ? report.summary(seconds) : report.json(seconds));
  return report.isOk;
}
