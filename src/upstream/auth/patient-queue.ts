import type { Clock } from '../../base/clock.ts';
import { Slots } from '../../base/slots.ts';
import { TimeLimit } from '../../base/time-limit.ts';

export interface PatientQueueSettings {
  readonly clock: Clock;
  /** How many at a time. */
  readonly places: number;
  /** Who had no place for so long goes without one, and after it one in each such time. Milliseconds. */
  readonly patienceMs: number;
}

/** So many at a time; since they may be silent the others do not wait for them alone. */
export class PatientQueue {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #places: Slots;
  #passedAt = Number.NEGATIVE_INFINITY;
  #news = new AbortController();

  constructor({ clock, places, patienceMs }: PatientQueueSettings) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
    this.#places = new Slots(places);
  }

  /**
   * Returns how to leave again, once; undefined: without a place, after patience or because `isOver`, which is asked whenever
   * something has happened. Rejects with the signal's reason.
   */
  async enter(isOver: () => boolean, signal: AbortSignal | undefined): Promise<(() => void) | undefined> {
    let until = this.#clock.monotonic() + this.#patienceMs;
    while (!isOver()) {
      if (await this.#hasPlace(until, signal)) return this.#leave;
      const now = this.#clock.monotonic();
      if (now < until) continue;
      until = this.#passedAt + this.#patienceMs;
      if (now < until) continue;
      this.#passedAt = now;
      return undefined;
    }
    return undefined;
  }

  /** It may be over for those who wait. */
  tell(): void {
    const told = this.#news;
    this.#news = new AbortController();
    told.abort();
  }

  readonly #leave = (): void => this.#places.giveBack();

  /** False: it is that time, or there are news. */
  async #hasPlace(until: number, signal: AbortSignal | undefined): Promise<boolean> {
    if (this.#places.tryTake()) return true;
    const clock = this.#clock;
    const news = this.#news.signal;
    const ends = signal === undefined ? news : AbortSignal.any([signal, news]);
    const milliseconds = until - clock.monotonic();
    using limit = new TimeLimit({ clock, milliseconds, reason: () => undefined, signal: ends });
    try {
      await this.#places.take(limit.signal);
      return true;
    } catch {
      signal?.throwIfAborted();
      return false;
    }
  }
}
