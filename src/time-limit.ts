import type { Clock } from './clock.ts';

export interface TimeLimitSettings {
  readonly clock: Clock;
  readonly milliseconds: number;
  /** What the signal is aborted with when the time is over. */
  readonly reason: () => unknown;
  /** Ends it as well, with its own reason. */
  readonly signal: AbortSignal | undefined;
}

/** A signal for work that may take so long. Once disposed of the time does not count any more. */
export class TimeLimit implements Disposable {
  readonly signal: AbortSignal;
  readonly #timer: Disposable;

  constructor({ clock, milliseconds, reason, signal }: TimeLimitSettings) {
    const late = new AbortController();
    this.signal = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]);
    this.#timer = clock.after(milliseconds, () => late.abort(reason()));
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
