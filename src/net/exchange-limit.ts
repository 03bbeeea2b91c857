import type { TimeLimitSettings } from '../base/time-limit.ts';

/**
 * A {@link TimeLimit} for one exchange, which is over when its response was disposed of. It listens to the other signal by itself: one that is made of
 * several costs each request some eight microseconds.
 */
export class ExchangeLimit implements Disposable {
  readonly #late = new AbortController();
  readonly #settings: TimeLimitSettings;
  readonly #end = (): void => this.#late.abort(this.#settings.signal?.reason);
  #timer: Disposable;

  constructor(settings: TimeLimitSettings) {
    const { signal } = settings;
    this.#settings = settings;
    this.#timer = this.#started();
    if (signal?.aborted === true) this.#end();
    else signal?.addEventListener('abort', this.#end, { once: true });
  }

  get signal(): AbortSignal {
    return this.#late.signal;
  }

  /** The time counts anew, unless it is over. */
  renew(): void {
    this.stop();
    this.#timer = this.#started();
  }

  /** The time does not count any more; the other signal still does. */
  stop(): void {
    this.#timer[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.stop();
    this.#settings.signal?.removeEventListener('abort', this.#end);
  }

  #started(): Disposable {
    const { clock, milliseconds, reason } = this.#settings;
    return clock.after(milliseconds, () => this.#late.abort(reason()));
  }
}
