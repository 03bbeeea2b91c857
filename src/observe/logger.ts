import { Writable } from 'node:stream';
import pino, { type DestinationStream, type Logger, type SerializedError } from 'pino';
import { LogFile } from './log-file.ts';

export interface LoggerSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Appended to; default: stderr. */
  readonly file: string | undefined;
  readonly format: 'auto' | 'json' | 'pretty';
}

export interface OpenLogger {
  readonly log: Logger;
  /** Opens the file anew, after somebody has moved it away (SIGHUP). Where that fails the old one stays. */
  reopen(): void;
}

/** JSON lines, or for a terminal lines that a person reads. Throws when the file cannot be opened. */
export async function openLogger({ level, file, format }: LoggerSettings): Promise<OpenLogger> {
  const isPretty = format === 'pretty' || (format === 'auto' && file === undefined && process.stderr.isTTY);
  const logFile = new LogFile(file);
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: serialized },
  };
  const log = pino(options, isPretty ? await prettyStream(logFile) : logFile);
  return {
    log,
    reopen: () => {
      try {
        logFile.reopen();
      } catch (error) {
        log.error({ err: error }, 'the log file cannot be opened anew');
      }
    },
  };
}

/** Loaded when it is wanted: a pod never needs it. */
async function prettyStream(logFile: LogFile): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  const destination = new Writable({
    decodeStrings: false,
    write(line: string | Buffer, _encoding, done) {
      logFile.write(String(line));
      done();
    },
  });
  return pretty({
    destination,
    colorize: process.stderr.isTTY,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    singleLine: true,
  });
}

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
}

/** What was thrown on purpose needs no stack to be understood. */
const onPurpose: ReadonlySet<string> = new Set(['RegistryError', 'StoreFullError']);

/** Message and code of an error and of its causes; other properties may hold what is nobody's business. */
function serialized(error: unknown): LoggedError | SerializedError | unknown {
  if (!(error instanceof Error)) return error;
  const messages: string[] = [];
  for (let cause: unknown = error; cause instanceof Error && messages.length < 5; cause = cause.cause) {
    messages.push(cause.message);
  }
  const code = 'code' in error ? { code: error.code } : {};
  const stack = onPurpose.has(error.name) ? {} : { stack: error.stack };
  return { type: error.name, message: messages.join(': '), ...code, ...stack };
}
