import { closeSync, constants, openSync, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** Control characters that JSON leaves as they are, and by which a client's header would steer the terminal of whoever reads the log (ECMA-48). */
const controls = /[\u007f-\u009f]/g;
/** What could not be written waits in memory, so many bytes of it; what comes then is lost. */
const maxWaiting = 1024 * 1024;

/**
 * Where log lines go: a file that is appended to, or stderr. Each line is written before `write` returns, in one call. A disk
 * that is full, or a reader that does not read, stops the log and nothing else. (pino’s own destination waits for ever then,
 * and the whole process with it.)
 */
export class LogFile implements DestinationStream {
  readonly #path: string | undefined;
  #descriptor: number;
  #waiting: Buffer[] = [];
  #size = 0;

  /** Throws when the file cannot be opened. */
  constructor(path: string | undefined) {
    this.#path = path;
    this.#descriptor = path === undefined ? 2 : open(path);
  }

  write(line: string): void {
    if (this.#size > maxWaiting) this.#flush();
    if (this.#size > maxWaiting) return;
    const bytes = Buffer.from(line.replaceAll(controls, escaped));
    this.#waiting.push(bytes);
    this.#size += bytes.length;
    this.#flush();
  }

  /** Opens the file anew. Throws when that fails; the old one stays then. */
  reopen(): void {
    if (this.#path === undefined) return;
    const old = this.#descriptor;
    this.#descriptor = open(this.#path);
    closeSync(old);
  }

  #flush(): void {
    try {
      for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
        const length = writeSync(this.#descriptor, next);
        this.#size -= length;
        if (length === next.length) this.#waiting.shift();
        else this.#waiting[0] = next.subarray(length);
      }
    } catch {
      // There is nowhere to tell of it. The next line tries again.
    }
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

const { O_APPEND, O_CREAT, O_NONBLOCK, O_RDWR, O_WRONLY } = constants;

/**
 * Of a pipe nobody is waited for: neither who opens it to read nor who reads. Where nobody has opened it yet it is opened for both, which takes
 * no reader (fifo(7)): the lines wait in it, as many as it holds.
 */
function open(path: string): number {
  try {
    return openSync(path, O_APPEND | O_CREAT | O_NONBLOCK | O_WRONLY, 0o644);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENXIO')) throw error;
    return openSync(path, O_APPEND | O_NONBLOCK | O_RDWR);
  }
}
