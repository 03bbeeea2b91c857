import { inspect } from 'node:util';
import type { Log } from '#src/log.ts';

/** A log that keeps what is written, fields and errors with all that hangs on them included. */
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
      this.lines.push(`${level} ${message} ${inspect(fields, { depth: 10 })}`);
    };
  }
}
