import type { Clock } from '../../base/clock.ts';
import { StoreBusyError } from '../../storage/content-store.ts';

/** What was admitted is durable within this time, or less is admitted. Milliseconds. */
const aimMs = 250;
/** So long a client waits for the store. Milliseconds. */
const maxWaitMs = 5000;
/** So many wait at a time: whoever waits may have left a file open, and nobody says that his client is still there. */
const maxWaiting = 512;

interface Waiting {
  readonly weight: number;
  readonly admitted: PromiseWithResolvers<Disposable>;
}

export interface BacklogBounds {
  /** How much may be in at a time on the slowest disk, and on the fastest. */
  readonly least: number;
  readonly most: number;
}

/**
 * Admits work as fast as it gets done: how much may be in at a time follows from how long each takes, as with a window of TCP.
 * First come, first served.
 */
export class BacklogLane {
  readonly #clock: Clock;
  readonly #bounds: BacklogBounds;
  readonly #waiting = new Set<Waiting>();
  #limit: number;
  #used = 0;
  /** Has somebody waited in vain since the last time that something was done? */
  #isStuck = false;

  constructor(clock: Clock, bounds: BacklogBounds) {
    this.#clock = clock;
    this.#bounds = bounds;
    this.#limit = bounds.most / 4;
  }

  /** `weight` is at least 1. Rejects with StoreBusyError, or with the signal's reason. */
  async admit(weight: number, signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    if (this.#waiting.size === 0 && this.#fits(weight)) return this.#place(weight);
    return await this.#wait({ weight, admitted: Promise.withResolvers() }, signal);
  }

  async #wait(waiting: Waiting, signal: AbortSignal | undefined): Promise<Disposable> {
    if (this.#isStuck || this.#waiting.size >= maxWaiting) throw new StoreBusyError('the disk is too slow');
    this.#waiting.add(waiting);
    const leave = (reason: unknown) => this.#leave(waiting, reason);
    const abort = () => leave(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    using _ = this.#clock.after(maxWaitMs, () => {
      this.#isStuck = true;
      leave(new StoreBusyError('the disk is too slow'));
    });
    try {
      return await waiting.admitted.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Whoever has a place by now keeps it. */
  #leave(waiting: Waiting, reason: unknown): void {
    if (!this.#waiting.delete(waiting)) return;
    waiting.admitted.reject(reason);
    this.#next();
  }

  /** Nothing is too heavy for an empty lane. */
  #fits(weight: number): boolean {
    return this.#used === 0 || this.#used + weight <= this.#limit;
  }

  #place(weight: number): Disposable {
    this.#used += weight;
    const since = this.#clock.monotonic();
    let isFree = false;
    return {
      [Symbol.dispose]: () => {
        if (isFree) return;
        isFree = true;
        this.#used -= weight;
        this.#isStuck = false;
        this.#learn(this.#clock.monotonic() - since);
        this.#next();
      },
    };
  }

  #learn(took: number): void {
    if (took > aimMs) this.#limit = Math.max(this.#limit - 1, this.#bounds.least);
    else if (this.#waiting.size > 0) this.#limit = Math.min(this.#limit + 1, this.#bounds.most);
  }

  #next(): void {
    for (const waiting of this.#waiting) {
      if (!this.#fits(waiting.weight)) return;
      this.#waiting.delete(waiting);
      waiting.admitted.resolve(this.#place(waiting.weight));
    }
  }
}
