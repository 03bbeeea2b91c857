import type { Clock } from '../../base/clock.ts';
import { Stopwatch } from '../../base/stopwatch.ts';

/** A connection that brings less is sick, or upstream is: slower links are not used for images. Bytes a second. */
export const leastRate = 8 * 1024;
/** What brings so much is well again, and judged as at its beginning. Bytes a second. */
const goodRate = 8 * leastRate;
/** So long nothing but upstream was waited for before it is judged: less than a client waits for. Milliseconds. */
const firstWindowMs = 10_000;
/** Each judgement in vain makes the next window twice as long, up to this. Milliseconds. */
const maxWindowMs = 120_000;
/** While we are not waiting it is looked again so often. Milliseconds. */
const minLookMs = 1000;

/**
 * How fast the bytes of one transfer come while they are waited for. Where the disk, slow readers or our own bandwidth hold it up
 * no time passes for it.
 */
export class Pace implements Disposable {
  readonly #clock: Clock;
  readonly #onSlow: (times: number) => void;
  readonly #waiting: Stopwatch;
  #heldUpMs: () => number = () => 0;
  #windowMs = firstWindowMs;
  /** What the stopwatch said when the window began. */
  #from = 0;
  #bytes = 0;
  #slow = 0;
  #dueAt = 0;
  #timer: Disposable;

  /** `onSlow` is told, with how often in a row, that a window has brought less than the least rate. */
  constructor(clock: Clock, onSlow: (times: number) => void) {
    this.#clock = clock;
    this.#onSlow = onSlow;
    this.#waiting = new Stopwatch(clock);
    this.#timer = this.#lookAfter(firstWindowMs);
  }

  /** Another reader is waited for from now on; `heldUpMs`: how long we ourselves have held it up. */
  begin(heldUpMs: () => number = () => 0): void {
    this.#waiting.stop();
    this.#heldUpMs = heldUpMs;
    this.#beginWindow();
    this.#waiting.start();
  }

  arrived(bytes: number): void {
    this.#waiting.stop();
    this.#bytes += bytes;
    if (this.#bytes * 1000 < leastRate * this.#windowMs) return;
    this.#slow = 0;
    if (this.#windowMs > firstWindowMs && this.#bytes * 1000 >= goodRate * this.#passedMs) this.#beginAnew();
    this.#beginWindow();
  }

  /** Upstream is waited for again. */
  waits(): void {
    this.#waiting.start();
  }

  /** Nothing is waited for any more, until another reader begins. */
  rest(): void {
    this.#waiting.stop();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }

  get #waitedMs(): number {
    return this.#waiting.milliseconds - this.#heldUpMs();
  }

  /** Of this window. */
  get #passedMs(): number {
    return this.#waitedMs - this.#from;
  }

  #beginWindow(): void {
    this.#from = this.#waitedMs;
    this.#bytes = 0;
  }

  #beginAnew(): void {
    this.#windowMs = firstWindowMs;
    this.#timer[Symbol.dispose]();
    this.#timer = this.#lookAfter(firstWindowMs);
  }

  #lookAfter(milliseconds: number): Disposable {
    this.#dueAt = this.#clock.monotonic() + milliseconds;
    return this.#clock.after(milliseconds, () => this.#look());
  }

  #look(): void {
    // Who looks late did not run: what came meanwhile is not read yet.
    if (this.#clock.monotonic() - this.#dueAt >= minLookMs) {
      this.#timer = this.#lookAfter(minLookMs);
      return;
    }
    const isOver = this.#passedMs >= this.#windowMs;
    if (isOver) {
      this.#slow += 1;
      this.#windowMs = Math.min(2 * this.#windowMs, maxWindowMs);
      this.#beginWindow();
    }
    const leftMs = this.#windowMs - this.#passedMs;
    this.#timer = this.#lookAfter(Math.max(leftMs, minLookMs));
    if (isOver) this.#onSlow(this.#slow);
  }
}
