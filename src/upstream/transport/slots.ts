/** So many at a time; the others wait in the order they came. */
export class Slots {
  readonly #waiting = new Set<() => void>();
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  /** One that is free now; false: none is. */
  tryTake(): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    return true;
  }

  /** Rejects with the signal's reason. Whoever got one gives it back once. */
  async take(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    if (this.tryTake()) return;
    const turn = Promise.withResolvers<void>();
    const abort = () => {
      if (this.#waiting.delete(turn.resolve)) turn.reject(signal?.reason);
    };
    this.#waiting.add(turn.resolve);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      await turn.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  giveBack(): void {
    const [next] = this.#waiting;
    if (next === undefined) this.#free += 1;
    else {
      this.#waiting.delete(next);
      next();
    }
  }
}
