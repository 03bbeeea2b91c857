import type { Clock } from '../base/clock.ts';

/** A start that takes longer says what it waits for: a file system may not answer. Milliseconds. */
const longMs = 5000;

/** Says once what a start waits for that takes long, by whatever means there are at that moment. */
export class LongStart implements Disposable {
  /** In words. */
  waitsFor = '';
  /** How it is said. */
  say: (text: string) => void;
  readonly #timer: Disposable;

  constructor(clock: Clock, say: (text: string) => void) {
    this.say = say;
    this.#timer = clock.after(longMs, () => this.say(`the start waits for ${this.waitsFor}`));
  }

  /** It has started, or will not. */
  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
