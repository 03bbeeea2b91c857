import type { Clock } from './clock.ts';

type Fields = Readonly<Record<string, unknown>>;

export interface CountedLinesSettings {
  readonly clock: Clock;
  readonly write: (fields: Fields, message: string) => void;
}

/** Milliseconds. */
const quietMs = 60_000;

/**
 * Lines that anybody can cause as often as he likes. The first of a matter is written at once; what comes in the minute behind it becomes
 * one at its end, with the fields of the last and `times`, how many they were. Its matter is its message: of those there is a fixed number.
 * Disposed of, it writes what is left, and all that comes then as it comes.
 */
export class CountedLines implements Disposable {
  readonly #settings: CountedLinesSettings;
  /** Of this minute. */
  readonly #since = new Map<string, { times: number; last: Fields; readonly minute: Disposable }>();
  #isOver = false;

  constructor(settings: CountedLinesSettings) {
    this.#settings = settings;
  }

  write(fields: Fields, message: string): void {
    const known = this.#since.get(message);
    if (known === undefined) this.#begin(fields, message);
    else {
      known.times += 1;
      known.last = fields;
    }
  }

  #begin(fields: Fields, message: string): void {
    this.#settings.write(fields, message);
    if (this.#isOver) return;
    const minute = this.#settings.clock.after(quietMs, () => this.#end(message));
    this.#since.set(message, { times: 0, last: fields, minute });
  }

  #end(message: string): void {
    const { times = 0, last = {} } = this.#since.get(message) ?? {};
    this.#since.delete(message);
    if (times > 0) this.#begin({ ...last, times }, message);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const [message, { minute }] of this.#since) {
      minute[Symbol.dispose]();
      this.#end(message);
    }
  }
}
