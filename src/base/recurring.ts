import type { Clock } from './clock.ts';
import type { Log } from './log.ts';

/** Milliseconds: until it is done first, and from its end to the next time; a function: asked each time. */
export interface Recurrence {
  readonly firstMs: number;
  readonly pauseMs: number | (() => number);
}

/** A timer takes no more than some weeks. Milliseconds. */
const longestMs = 86_400_000;

/** Work that is done now and then until it is disposed of, which ends it; one at a time. What fails is logged, and done again the next time. */
export class Recurring implements AsyncDisposable {
  readonly #what: string;
  readonly #work: (signal: AbortSignal) => Promise<void>;
  readonly #parts: { readonly clock: Clock; readonly log: Log };
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #wake = Promise.withResolvers<void>();
  #timer: Disposable | undefined;
  /** Those who wait for the next time. */
  #next = Promise.withResolvers<void>();

  constructor(
    what: string,
    recurrence: Recurrence,
    work: (signal: AbortSignal) => Promise<void>,
    parts: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#what = what;
    this.#work = work;
    this.#parts = parts;
    this.#running = this.#run(recurrence);
  }

  /** Has it done in so short a time, if it would not be sooner anyway. */
  soon(milliseconds: number): void {
    this.#timer ??= this.#parts.clock.after(milliseconds, () => {
      this.#timer = undefined;
      this.#wake.resolve();
    });
  }

  /** Has it done at once, or once more where it is being done; settles when that is over, or no more is done. */
  async now(): Promise<void> {
    this.#wake.resolve();
    // Not in a race with the whole of it, which would remember each who has ever waited.
    await this.#next.promise;
  }

  async #run({ firstMs, pauseMs }: Recurrence): Promise<void> {
    const { signal } = this.#stop;
    await this.#sleep(firstMs);
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers();
      const asked = this.#next;
      this.#next = Promise.withResolvers();
      await this.#doOnce(signal);
      asked.resolve();
      await this.#sleep(typeof pauseMs === 'number' ? pauseMs : pauseMs());
    }
    this.#next.resolve();
  }

  async #doOnce(signal: AbortSignal): Promise<void> {
    try {
      await this.#work(signal);
    } catch (error) {
      if (!signal.aborted) this.#parts.log.error({ err: error }, `${this.#what} failed`);
    }
  }

  async #sleep(milliseconds: number): Promise<void> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stop.signal]);
    const slept = this.#sleepLong(milliseconds, signal);
    await Promise.race([slept, this.#wake.promise]);
    over.abort();
    await slept;
  }

  async #sleepLong(milliseconds: number, signal: AbortSignal): Promise<void> {
    for (let left = milliseconds; left > 0 && !signal.aborted; left -= longestMs)
      await this.#parts.clock.sleep(Math.min(left, longestMs), signal).catch(() => undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    this.#stop.abort();
    await this.#running;
  }
}
