import type { Clock } from '../../base/clock.ts';

/** A write waits for somebody else's lock no longer than this: a backup, a VACUUM, another server. Milliseconds. */
const maxLockedMs = 30_000;
/** From one look to the next: so long at first, then twice as long each time. Milliseconds. */
const leastPauseMs = 5;
const mostPauseMs = 160;

/** When to try again, while another process has the index locked for writing. Keeps this process alive meanwhile. */
export class LockedIndex {
  readonly #clock: Clock;
  readonly #tryAgain: () => void;
  #pauseMs = leastPauseMs;
  #waiting: DisposableStack | undefined;

  constructor(clock: Clock, tryAgain: () => void) {
    this.#clock = clock;
    this.#tryAgain = tryAgain;
  }

  get isWaiting(): boolean {
    return this.#waiting !== undefined;
  }

  /** Has something that waits since then, by {@link Clock.monotonic}, waited long enough? */
  isTooLong(since: number): boolean {
    return this.#clock.monotonic() - since >= maxLockedMs;
  }

  /** It is locked: tries again after a pause. */
  wait(): void {
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
    this.#pauseMs = leastPauseMs;
  }

  #end(): void {
    this.#waiting?.dispose();
    this.#waiting = undefined;
  }
}
