import { type App, startApp } from '../app/app.ts';
import { CannotListen } from '../app/cannot-listen.ts';
import { systemClock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import { ConfigError } from '../config/config-error.ts';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { type OpenLogger, openLogger } from '../observe/logger.ts';
import { banner, startFacts } from './banner.ts';
import type { LongStart } from './long-start.ts';
import { endAtOnce, type ProcessSignals } from './process-signals.ts';

/** So long a file system may hold the process when no client is left. Milliseconds. */
const lastMs = 5000;

export interface ServeParts {
  readonly version: string;
  readonly argv: readonly string[];
  readonly stderr: { write(text: string): unknown };
  readonly signals: ProcessSignals;
  /** To be told what is waited for; over when the server runs. */
  readonly start: LongStart;
}

/**
 * Serves until SIGTERM or SIGINT, then drains; true. A second signal ends it at once. False: it could not start and the log says
 * why. Throws where there is no log, or a person reads standard error.
 */
export async function serve(loaded: LoadedConfig, parts: ServeParts): Promise<boolean> {
  const { config, warnings } = loaded;
  const logger = await openLogger({
    level: config.logLevel,
    file: config.logFile === '' ? undefined : config.logFile,
    format: config.logFormat,
  });
  const { log, announce, isForPeople } = logger;
  const { signals, start } = parts;
  start.say = (text) => announce.error({}, text);
  const stopped = signals.stop;
  let administrator: string | undefined;
  const stop = (by: string): void => {
    administrator = by;
    signals.end();
  };
  let running: App | undefined;
  signals.hangUp = () => hangUp(logger, running);
  // At the default level they would be said to nobody.
  for (const warning of warnings) announce.warn({}, warning);
  try {
    running = await startedOrStopped(config, { log, version: parts.version, start, stop }, stopped);
  } catch (thrown) {
    const error = withPlace(thrown, loaded);
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
  announce.info(
    administrator === undefined ? { signal } : { by: administrator },
    'stopping: running downloads may end',
  );
  await app.stop(() => endInTime(log, signal));
  log.info({}, 'stopped');
  return true;
}

/** Where nothing holds it the process has ended by then. */
function endInTime(log: Log, signal: NodeJS.Signals): void {
  systemClock.after(lastMs, () => {
    log.error({}, 'a file system does not answer: the process is ended all the same');
    endAtOnce(signal);
  });
}

function hangUp({ announce, reopen }: OpenLogger, app: App | undefined): void {
  reopen();
  announce.info(
    {},
    'SIGHUP: the log file is opened again, certificates are read again, the configuration is not',
  );
  app?.certificates?.readAgain();
}

/** Where in the configuration stands what it could not start with. */
function withPlace(error: unknown, { located }: LoadedConfig): unknown {
  if (!(error instanceof CannotListen)) return error;
  return new ConfigError(located([error.problem]), { cause: error.cause });
}

interface StartParts extends Pick<ServeParts, 'version' | 'start'> {
  readonly log: Log;
  readonly stop: (by: string) => void;
}

/** Undefined: it was told to stop before it had started, and ends now. */
async function startedOrStopped(
  config: Config,
  { start, ...parts }: StartParts,
  stopped: Promise<NodeJS.Signals>,
): Promise<App | undefined> {
  using _over = start;
  const starting = startApp(config, { ...parts, waitsFor: (what) => (start.waitsFor = what) });
  const first = await Promise.race([starting, stopped]);
  if (typeof first !== 'string') return first;
  parts.log.error({ signal: first }, `stopping before the start was over: it waits for ${start.waitsFor}`);
  endAtOnce(first);
  return undefined;
}
