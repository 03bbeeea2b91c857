import type { Tally } from './tally.ts';

/** An image, or a tar, that is being loaded. */
export interface RunningLoad {
  readonly name: string;
  readonly tally: Tally;
}

/** How far a load is, for whoever shows it. */
export class LoadProgress {
  readonly #running = new Set<RunningLoad>();
  #endedBytes = 0;

  /** Those that began first come first. */
  get running(): readonly RunningLoad[] {
    return [...this.#running];
  }

  /** Bytes that have come so far, of all that has begun. */
  get fetched(): number {
    return this.running.reduce((sum, { tally }) => sum + tally.fetched, this.#endedBytes);
  }

  /** Disposing tells that it has ended. */
  begin(name: string, tally: Tally): Disposable {
    const load = { name, tally };
    this.#running.add(load);
    return {
      [Symbol.dispose]: () => {
        if (this.#running.delete(load)) this.#endedBytes += tally.fetched;
      },
    };
  }
}
