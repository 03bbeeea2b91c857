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
  readonly #late = new AbortController();
  readonly #settings: TimeLimitSettings;
  #timer: Disposable;

  constructor(settings: TimeLimitSettings) {
    const { signal } = settings;
    this.#settings = settings;
    this.signal = signal === undefined ? this.#late.signal : AbortSignal.any([signal, this.#late.signal]);
    this.#timer = this.#started();
  }

  /** The time counts anew, unless it is over. */
  renew(): void {
    this.#timer[Symbol.dispose]();
    this.#timer = this.#started();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  #started(): Disposable {
    const { clock, milliseconds, reason } = this.#settings;
    return clock.after(milliseconds, () => this.#late.abort(reason()));
  }
}
