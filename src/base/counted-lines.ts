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
 */
export class CountedLines {
  readonly #settings: CountedLinesSettings;
  /** Of this minute. */
  readonly #since = new Map<string, { times: number; last: Fields }>();

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
    this.#since.set(message, { times: 0, last: fields });
    this.#settings.clock.after(quietMs, () => this.#end(message));
  }

  #end(message: string): void {
    const { times = 0, last = {} } = this.#since.get(message) ?? {};
    this.#since.delete(message);
    if (times > 0) this.#begin({ ...last, times }, message);
  }
}
