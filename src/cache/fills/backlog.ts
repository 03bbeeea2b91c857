import type { Clock } from '../../base/clock.ts';
import { StoreBusyError } from '../../storage/content-store.ts';

/** A larger blob is on its way to the disk while it comes; what is left in the end is bounded by the store. Bytes. */
const largeBytes = 4 * 1024 * 1024;
/** So many where the process has files enough, each of which may be open. */
const usualFiles = 288;
/** Of so many of them one is for a large one. */
const filesPerLarge = 9;
/** So much to write weighs as much as another file. Bytes. */
const bytesPerFile = 256 * 1024;
/** What was admitted is durable within this time, or less is admitted. Milliseconds. */
const aimMs = 250;
/** So long a client waits for the store. Milliseconds. */
const maxWaitMs = 5000;
/** So many wait at a time: whoever waits may have left a file open, and nobody says that his client is still there. */
const maxWaiting = 512;

/**
 * What is finished and not durable yet, files and what the index knows of them: a bounded number, so that all of it can be on
 * the disk within a second. Large blobs do not stand in the way of small ones.
 */
export class Backlog {
  readonly #small: BacklogLane;
  readonly #large: BacklogLane;

  /** `files`: it has no more of them open at a time. */
  constructor(clock: Clock, files = usualFiles) {
    const large = Math.max(1, Math.floor(files / filesPerLarge));
    const small = Math.max(1, files - large);
    this.#small = new BacklogLane(clock, { least: Math.min(16, small), most: small });
    this.#large = new BacklogLane(clock, { least: Math.min(2, large), most: large });
  }

  /**
   * Takes a place for what is finished; to be disposed of when it is durable or given up. Rejects with StoreBusyError when none
   * has become free in time, and with the signal's reason.
   */
  async admit(bytes: number, signal?: AbortSignal): Promise<Disposable> {
    return bytes > largeBytes
      ? await this.#large.admit(1, signal)
      : await this.#small.admit(1 + Math.floor(bytes / bytesPerFile), signal);
  }
}

interface Waiting {
  readonly weight: number;
  readonly admitted: PromiseWithResolvers<Disposable>;
}

interface BacklogBounds {
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
