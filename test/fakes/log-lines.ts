import { inspect } from 'node:util';
import type { Log } from '#src/base/log.ts';
import { assertSecretless } from './secrets.ts';

/**
 * A log that keeps what is written, fields and errors with all that hangs on them included. No secret may be among it.
 */
export class LogLines implements Log {
  readonly lines: string[] = [];
  readonly debug = this.#writer('debug');
  readonly info = this.#writer('info');
  readonly warn = this.#writer('warn');
  readonly error = this.#writer('error');

  at(level: 'debug' | 'info' | 'warn' | 'error'): string[] {
    return this.lines.filter((line) => line.startsWith(`${level} `));
  }

  #writer(level: string) {
    return (fields: Readonly<Record<string, unknown>>, message: string): void => {
      const line = `${level} ${message} ${inspect(fields, { depth: 10 })}`;
      this.lines.push(line);
      assertSecretless(line, 'the log');
    };
  }
}

/** A test's own log, looked through for secrets like any other. */
export function watched(log: Log): Log {
  const lines = new LogLines();
  const both =
    (level: keyof Log) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      lines[level](fields, message);
      log[level](fields, message);
    };
  return { debug: both('debug'), info: both('info'), warn: both('warn'), error: both('error') };
}
