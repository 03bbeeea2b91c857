import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type App, startApp } from '#src/app/app.ts';
import type { Clock } from '#src/base/clock.ts';
import type { Log } from '#src/base/log.ts';
import { type Flags, loadConfig } from '#src/config/load.ts';
import { LogLines, watched } from './log-lines.ts';

/** A directory that goes with the test. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'ociregistry-'));
  return { path, [Symbol.asyncDispose]: async () => await rm(path, { recursive: true }) };
}

/** The whole program in this process, on loopback and ports that the system gives. */
export async function runApp(
  settings: Flags,
  parts: {
    log?: Log;
    clock?: Clock;
    random?: () => number;
    env?: NodeJS.ProcessEnv;
    stop?: (by: string) => void;
  } = {},
): Promise<App> {
  const { config } = await loadConfig({ flags: { host: '127.0.0.1', port: 0, ...settings }, env: {} });
  const log = watched(parts.log ?? new LogLines());
  return await startApp(config, { version: '0.0.0', env: {}, ...parts, log });
}
