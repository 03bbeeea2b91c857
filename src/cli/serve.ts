import { type App, type AppParts, startApp } from '../app/app.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { type OpenLogger, openLogger } from '../observe/logger.ts';
import { banner, startFacts } from './banner.ts';
import { endAtOnce, type ProcessSignals } from './process-signals.ts';

export interface ServeParts {
  readonly version: string;
  readonly argv: readonly string[];
  readonly stderr: { write(text: string): unknown };
  readonly signals: ProcessSignals;
}

/**
 * Serves until SIGTERM or SIGINT, then drains; true. A second signal ends it at once. False: it could not start and the log says
 * why. Throws where there is no log, or a person reads standard error.
 */
export async function serve({ config, warnings }: LoadedConfig, parts: ServeParts): Promise<boolean> {
  const logger = await openLogger({
    level: config.logLevel,
    file: config.logFile === '' ? undefined : config.logFile,
    format: config.logFormat,
  });
  const { log, announce, isForPeople } = logger;
  const { signals } = parts;
  const stopped = signals.stop;
  let running: App | undefined;
  signals.hangUp = () => hangUp(logger, running);
  // At the default level they would be said to nobody.
  for (const warning of warnings) announce.warn({}, warning);
  try {
    running = await startedOrStopped(config, { log, version: parts.version }, stopped);
  } catch (error) {
    if (isForPeople) throw error;
    announce.error({ err: error }, 'error starting the server');
    return false;
  }
  if (running === undefined) return true;
  await using app = running;
  const started = { ...parts, app, config };
  if (isForPeople) parts.stderr.write(banner(started));
  (isForPeople ? log : announce).info(startFacts(started), 'server is running');
  const signal = await stopped;
  announce.info({ signal }, 'stopping: running downloads may end');
  await app.stop();
  log.info({}, 'stopped');
  // Where nothing holds it the process has ended by then.
  systemClock.after(longMs, () => {
    log.error({}, 'a file system does not answer: the process is ended all the same');
    endAtOnce(signal);
  });
  return true;
}

function hangUp({ announce, reopen }: OpenLogger, app: App | undefined): void {
  reopen();
  announce.info(
    {},
    'SIGHUP: the log file is opened again, certificates are read again, the configuration is not',
  );
  app?.certificates?.readAgain();
}

/** A start that takes longer says what it waits for. Milliseconds. */
const longMs = 5000;

/** Undefined: it was told to stop before it had started, and ends now. */
async function startedOrStopped(
  config: Config,
  parts: Pick<AppParts, 'version'> & { readonly log: Log },
  stopped: Promise<NodeJS.Signals>,
): Promise<App | undefined> {
  let waitsFor = '';
  const starting = startApp(config, { ...parts, waitsFor: (what) => (waitsFor = what) });
  using _long = systemClock.after(longMs, () => parts.log.error({}, `the start waits for ${waitsFor}`));
  const first = await Promise.race([starting, stopped]);
  if (typeof first !== 'string') return first;
  parts.log.error({ signal: first }, `stopping before the start was over: it waits for ${waitsFor}`);
  endAtOnce(first);
  return undefined;
}
