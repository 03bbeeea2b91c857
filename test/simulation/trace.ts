import { hashOf } from './random.ts';

/** So many events are kept for whoever reads of a finding. */
const keptLines = 120;

/** What happened, in order: its end is kept, a hash is kept of all of it. Two runs of one seed have the same. */
export class Trace {
  readonly #onLine: ((line: string) => void) | undefined;
  #lines: string[] = [];
  #hash = 0;

  constructor(onLine?: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** `time` in fake milliseconds since the scenario began. */
  note(time: number, what: string): void {
    const line = `${(time / 1000).toFixed(4).padStart(9)} ${what}`;
    this.#hash = hashOf(line, this.#hash);
    this.#lines.push(line);
    if (this.#lines.length >= 2 * keptLines) this.#lines = this.#lines.slice(-keptLines);
    this.#onLine?.(line);
  }

  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0');
  }

  /** The last events, the youngest last. */
  last(count: number): readonly string[] {
    return this.#lines.slice(-count);
  }
}

/** A digest, short enough for a line. */
export function short(text: string): string {
  return text.replaceAll(/\b(sha256[:/-])([0-9a-f]{6})[0-9a-f]{58}/g, '$2');
}
