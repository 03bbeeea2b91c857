import type { Clock } from '../../base/clock.ts';

/** A write waits for somebody else's lock no longer than this: a backup, a VACUUM, another server. Nobody waits with it. Milliseconds. */
const maxLockedMs = 300_000;
/** After so long nobody holds anything any more until it is free. Milliseconds. */
const longMs = 100;
const hurriedMs = 2000;
/** From one look to the next: so long at first, then twice as long each time. Milliseconds. */
const leastPauseMs = 5;
const mostPauseMs = 160;

/** When to try again, while another process has the index locked for writing. Keeps this process alive meanwhile. */
export class LockedIndex {
  readonly #clock: Clock;
  readonly #tryAgain: () => void;
  #pauseMs = leastPauseMs;
  #maxMs = maxLockedMs;
  #waiting: DisposableStack | undefined;
  /** Since it is locked, by {@link Clock.monotonic}. */
  #since: number | undefined;

  constructor(clock: Clock, tryAgain: () => void) {
    this.#clock = clock;
    this.#tryAgain = tryAgain;
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Is it locked, and was it so for longer than anybody should notice? */
  get isLong(): boolean {
    return this.#since !== undefined && this.#clock.monotonic() - this.#since >= longMs;
  }

  /** Has something that waits since then, by {@link Clock.monotonic}, waited long enough? */
  isTooLong(since: number): boolean {
    return this.#clock.monotonic() - since >= this.#maxMs;
  }

  /** From now on a few seconds are long enough. */
  hurry(): void {
    this.#maxMs = hurriedMs;
  }

  /** It is locked: tries again after a pause. */
  wait(): void {
    this.#since ??= this.#clock.monotonic();
    const waiting = new DisposableStack();
    this.#waiting = waiting;
    waiting.use(setInterval(() => {}, maxLockedMs));
    waiting.use(
      this.#clock.after(this.#pauseMs, () => {
        this.#end();
        this.#tryAgain();
      }),
    );
    this.#pauseMs = Math.min(this.#pauseMs * 2, mostPauseMs);
  }

  /** It is not, or nobody waits for it. */
  opened(): void {
    this.#end();
    this.#since = undefined;
    this.#pauseMs = leastPauseMs;
  }

  #end(): void {
    this.#waiting?.dispose();
    this.#waiting = undefined;
  }
}
