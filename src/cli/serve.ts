import { type App, startApp } from '../app/app.ts';
import type { LoadedConfig } from '../config/load.ts';
import { openLogger } from '../observe/logger.ts';
import { banner } from './banner.ts';

export interface ServeParts {
  readonly version: string;
  readonly argv: readonly string[];
  readonly stderr: { write(text: string): unknown };
}

/** Serves until SIGTERM or SIGINT, then drains. A second signal ends it at once. Throws what keeps it from starting. */
export async function serve({ config, warnings }: LoadedConfig, parts: ServeParts): Promise<void> {
  const { log, reopen } = await openLogger({
    level: config.logLevel,
    file: config.logFile === '' ? undefined : config.logFile,
    format: config.logFormat,
  });
  const stopped = stopSignal();
  process.on('SIGHUP', () => reopen());
  for (const warning of warnings) log.warn({}, warning);
  const starting = startApp(config, { log, version: parts.version });
  const started = await Promise.race([starting, stopped]);
  if (typeof started === 'string') {
    const reason = `the start was not over: it waits for ${config.imagePath}`;
    log.warn({ signal: started, imagePath: config.imagePath }, reason);
    endAtOnce();
    return;
  }
  await using app = started;
  parts.stderr.write(banner({ ...parts, app, config }));
  log.info({ url: app.server.url }, 'server is running');
  log.info({ signal: await stopped }, 'stopping: running downloads may end');
  await stopInTime(app);
  log.info({}, 'stopped');
}

/** A supervisor may signal a whole group, and whoever passes signals on does so once more: that is one wish. Milliseconds. */
const sameSignalMs = 1000;

/** Whoever signals again does not want to wait. */
async function stopInTime(app: App): Promise<void> {
  const signalledAt = performance.now();
  const again = (): void => {
    if (performance.now() - signalledAt > sameSignalMs) endAtOnce();
  };
  process.on('SIGTERM', again);
  process.on('SIGINT', again);
  await app.stop();
}

/**
 * By the signal itself: `process.exit` waits for threads, and one may hang in a file system that does not answer. The first process
 * of a container has no such end, but this.
 */
function endAtOnce(): void {
  if (process.pid === 1) process.abort();
  process.removeAllListeners('SIGTERM');
  process.kill(process.pid, 'SIGTERM');
}

async function stopSignal(): Promise<string> {
  return await new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, resolve);
  });
}
