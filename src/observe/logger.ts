import { Writable } from 'node:stream';
import pino, { type DestinationStream, type Logger, type SerializedError } from 'pino';
import type { Log } from '../base/log.ts';
import { RegistryError } from '../oci/error.ts';
import { type RepositoryName, shownName } from '../oci/reference.ts';
import { LogFile } from './log-file.ts';

export interface LoggerSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Appended to; default: stderr. */
  readonly file: string | undefined;
  readonly format: 'auto' | 'json' | 'pretty';
}

export interface OpenLogger {
  readonly log: Logger;
  /** What whoever starts the program must see: written at any level, and where the log is a file on standard error as well. */
  readonly announce: Log;
  /** Does a person read standard error? Else all that is written there is JSON. */
  readonly isForPeople: boolean;
  /** Opens the file anew, after somebody has moved it away (SIGHUP). Where that fails the old one stays. */
  reopen(): void;
}

/** JSON lines, or for a terminal lines that a person reads. Throws when the file cannot be opened. */
export async function openLogger({ level, file, format }: LoggerSettings): Promise<OpenLogger> {
  const isForPeople = format === 'pretty' || (format === 'auto' && process.stderr.isTTY);
  const logFile = new LogFile(file);
  const log = await logTo(logFile, level, file === undefined ? isForPeople : format === 'pretty');
  const announcing: Log[] = [log.child({}, { level: 'info' })];
  if (file !== undefined) announcing.push(await logTo(new LogFile(undefined), 'info', isForPeople));
  return {
    log,
    announce: all(announcing),
    isForPeople,
    reopen: () => {
      try {
        logFile.reopen();
      } catch (error) {
        log.error({ err: error }, 'the log file cannot be opened again: what was open is used on');
      }
    },
  };
}

async function logTo(
  destination: LogFile,
  level: LoggerSettings['level'],
  isPretty: boolean,
): Promise<Logger> {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: serialized, repository: shownRepository },
  };
  return pino(options, isPretty ? await prettyStream(destination) : destination);
}

function all(logs: readonly Log[]): Log {
  const at =
    (level: keyof Log): Log[keyof Log] =>
    (fields, message) => {
      for (const log of logs) log[level](fields, message);
    };
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
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

function shownRepository(name: unknown): unknown {
  return typeof name === 'string' ? shownName(name as RepositoryName) : name;
}

interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly code?: unknown;
  readonly stack?: string | undefined;
}

/** What was thrown on purpose needs no stack to be understood. */
const onPurpose: ReadonlySet<string> = new Set(['RegistryError', 'StoreFullError', 'ConfigError']);
const maxCauses = 5;

/** Message and code of an error and of its causes; other properties may hold what is nobody's business. */
function serialized(error: unknown): LoggedError | SerializedError | unknown {
  if (!(error instanceof Error)) return error;
  const chain: Error[] = [];
  for (let cause: unknown = error; cause instanceof Error && chain.length < maxCauses; cause = cause.cause) {
    chain.push(cause);
  }
  const code = 'code' in error ? { code: error.code } : {};
  const stack = chain.some(isExpected) ? {} : { stack: error.stack };
  return { type: error.name, message: chain.map(messageOf).join(': '), ...code, ...stack };
}

/** Without what OpenSSL adds for whoever reads its source: `…:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:…` */
function messageOf(error: Error): string {
  const message = error instanceof RegistryError ? error.forOperator : error.message;
  return message.replace(/\s*(?:[0-9A-F]+:)?error:[0-9A-F]{8}:.*$/s, '').trimEnd();
}

/** The operating system's answers (a full disk, a refused connection), and SQLite's for the same reasons, say what is wrong by themselves. */
function isExpected(error: Error): boolean {
  if (onPurpose.has(error.name) || 'errno' in error) return true;
  return 'code' in error && outsideSqlite.test(String(error.code));
}

const outsideSqlite = /^SQLITE_(?:BUSY|CANTOPEN|CORRUPT|FULL|IOERR|NOTADB|READONLY)/;
