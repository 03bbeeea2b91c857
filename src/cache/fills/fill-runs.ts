/** Bytes that come by one request, as far as others must know of them. */
export interface RunUnderWay {
  readonly origin: number;
  /** The next byte that it brings, and the one that it does not. */
  readonly at: number;
  readonly end: number;
  bringsSoon(byte: number): boolean;
  giveUp(): void;
}

/** The runs of one fill: what is on its way. */
export class FillRuns {
  readonly #all = new Set<RunUnderWay>();
  #moved = Promise.withResolvers<void>();

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  add(run: RunUnderWay): void {
    this.#all.add(run);
  }

  remove(run: RunUnderWay): void {
    this.#all.delete(run);
    this.moved();
  }

  /** To be told when more has come. */
  moved(): void {
    this.#moved.resolve();
    this.#moved = Promise.withResolvers();
  }

  /** Settles when more has come, or a run has ended. */
  async next(): Promise<void> {
    await this.#moved.promise;
  }

  /** By which this byte is on its way. */
  bringing(byte: number): RunUnderWay | undefined {
    return this.#all.values().find(({ at, end }) => at <= byte && byte < end);
  }

  /** Is it here soon? */
  bringsSoon(byte: number): boolean {
    return this.#all.values().some((run) => run.bringsSoon(byte));
  }

  /** The next byte from this one on at which a run is. */
  nextFrom(byte: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#all) if (at > byte) next = Math.min(next, at);
    return next;
  }

  /** Where a run that was begun further on than this one goes on. */
  nextBeyond(run: RunUnderWay): number {
    let next = Number.POSITIVE_INFINITY;
    for (const other of this.#all)
      if (other.origin > run.origin && other.at >= run.at) next = Math.min(next, other.at);
    return next;
  }
}
