/** So many at a time; the others wait, those of the highest rank first and of the same in the order they came. */
export class Slots {
  /** With what says their rank now. */
  readonly #waiting = new Map<() => void, () => number>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  get isFull(): boolean {
    return this.#free === 0;
  }

  /** One that is free now; false: none is. */
  tryTake(): boolean {
    if (this.isFull) return false;
    this.#free -= 1;
    return true;
  }

  /** Rejects with the signal's reason. Whoever got one gives it back once. */
  async take(signal: AbortSignal | undefined, rank: () => number = () => 0): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryTake()) return;
    const turn = Promise.withResolvers<void>();
    const abort = () => {
      if (this.#waiting.delete(turn.resolve)) turn.reject(signal?.reason);
    };
    this.#waiting.set(turn.resolve, rank);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  giveBack(): void {
    const next = this.#next();
    if (next === undefined) this.#free += 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }

  #next(): (() => void) | undefined {
    let next: (() => void) | undefined;
    let highest = Number.NEGATIVE_INFINITY;
    for (const [waiting, rank] of this.#waiting) {
      const its = rank();
      if (its <= highest) continue;
      [next, highest] = [waiting, its];
    }
    return next;
  }
}
