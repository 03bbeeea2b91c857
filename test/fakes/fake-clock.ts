import type { Clock } from '#src/base/clock.ts';

/** A callback after no more than this comes by itself: no test is about it, nor has to know of it. Milliseconds. */
const unnoticedMs = 10;

interface Sleeper {
  readonly at: number;
  /** Does somebody wait for this time, and not only watch whether it comes? */
  readonly isPause: boolean;
  readonly wake: () => void;
}

/** Time that moves only when the test says so. */
export class FakeClock implements Clock {
  #now = 1_700_000_000_000;
  /** Far from the time of day, so that whoever mixes them up is found. */
  #monotonic = 5_000_000;
  #sleepers: Sleeper[] = [];
  #slept = Promise.withResolvers<void>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  /** Somebody sets the clock; no time passes. */
  set(milliseconds: number): void {
    this.#now = milliseconds;
  }

  async sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const sleep = Promise.withResolvers<void>();
    const sleeper = { at: this.#monotonic + milliseconds, isPause: true, wake: sleep.resolve };
    this.#add(sleeper);
    const abort = () => sleep.reject(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await sleep.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
      this.#forget(sleeper);
    }
  }

  after(milliseconds: number, callback: () => void): Disposable {
    if (milliseconds <= unnoticedMs) return setTimeout(callback, milliseconds).unref();
    const sleeper = { at: this.#monotonic + milliseconds, isPause: false, wake: callback };
    this.#add(sleeper);
    return { [Symbol.dispose]: () => this.#forget(sleeper) };
  }

  get sleeping(): number {
    return this.#sleepers.length;
  }

  /** Those that wait for a time to come, without those who watch what takes too long. */
  get pausing(): number {
    return this.#sleepers.filter(({ isPause }) => isPause).length;
  }

  /** Settles when at least `count` callers do so. */
  async untilPausing(count = 1): Promise<void> {
    while (this.pausing < count) await this.#slept.promise;
  }

  /** Settles when at least `count` callers sleep. */
  async untilSleeping(count = 1): Promise<void> {
    while (this.#sleepers.length < count) await this.#slept.promise;
  }

  /** Moves time on, wakes whoever is due, and lets the woken run. */
  async advance(milliseconds: number): Promise<void> {
    this.#now += milliseconds;
    this.#monotonic += milliseconds;
    for (const sleeper of this.#sleepers.filter(({ at }) => at <= this.#monotonic)) {
      this.#forget(sleeper);
      sleeper.wake();
    }
    await new Promise((resolve) => setImmediate(resolve));
  }

  #add(sleeper: Sleeper): void {
    this.#sleepers.push(sleeper);
    this.#slept.resolve();
    this.#slept = Promise.withResolvers();
  }

  #forget(sleeper: Sleeper): void {
    this.#sleepers = this.#sleepers.filter((other) => other !== sleeper);
  }
}
