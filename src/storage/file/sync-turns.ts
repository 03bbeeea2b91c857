/** So many at once: file systems make one journal entry of several. Node has four threads for files, and readers need some. */
export const maxSyncs = 3;

/**
 * Whose turn it is to sync a file of the store: a few at a time, and of the large ones a single one, so that the small ones need
 * not wait behind it. Of each kind who came first goes first.
 */
export class SyncTurns {
  readonly #small = new Set<() => void>();
  readonly #large = new Set<() => void>();
  #free = maxSyncs;
  #isLargeBusy = false;

  /** For a file of which little is left to do. The turn ends when it is disposed of, as that of a large one does. */
  async small(): Promise<Disposable> {
    const turn = Promise.withResolvers<void>();
    this.#small.add(turn.resolve);
    this.#next();
    await turn.promise;
    return { [Symbol.dispose]: () => this.#end() };
  }

  /** For several files at once: waits for one turn, and takes as many more as nobody else can use now. All end together. */
  async several(): Promise<Disposable & { readonly count: number }> {
    const turns = new DisposableStack();
    turns.use(await this.small());
    const count = 1 + this.#free;
    for (; this.#free > 0; this.#free -= 1) turns.defer(() => this.#end());
    return { count, [Symbol.dispose]: () => turns.dispose() };
  }

  /** Rejects with the signal's reason when that comes before the turn. */
  async large(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted();
    const turn = Promise.withResolvers<void>();
    const leave = () => {
      if (this.#large.delete(turn.resolve)) turn.reject(signal.reason);
    };
    signal.addEventListener('abort', leave, { once: true });
    this.#large.add(turn.resolve);
    this.#next();
    await turn.promise;
    signal.removeEventListener('abort', leave);
    return {
      [Symbol.dispose]: () => {
        this.#isLargeBusy = false;
        this.#end();
      },
    };
  }

  #end(): void {
    this.#free += 1;
    this.#next();
  }

  /** The small ones first. */
  #next(): void {
    for (const begin of this.#small) this.#begin(begin, this.#small);
    const [large] = this.#large;
    if (large === undefined || this.#isLargeBusy) return;
    this.#isLargeBusy = this.#begin(large, this.#large);
  }

  #begin(begin: () => void, waiting: Set<() => void>): boolean {
    if (this.#free === 0) return false;
    this.#free -= 1;
    waiting.delete(begin);
    begin();
    return true;
  }
}
