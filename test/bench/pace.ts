import { setTimeout } from 'node:timers/promises';

/** What a line may catch up with after a pause. Milliseconds. */
const burstMs = 10;

/** A line of so many bytes a second, shared by all who send over it. */
export class Pace {
  readonly #bytesPerMs: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
  }

  /** Settles when these bytes have passed. */
  async pass(bytes: number): Promise<void> {
    const now = performance.now();
    this.#freeAt = Math.max(this.#freeAt, now - burstMs) + bytes / this.#bytesPerMs;
    if (this.#freeAt > now) await setTimeout(this.#freeAt - now);
  }
}
