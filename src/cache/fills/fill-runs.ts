/** What comes by one request; see `FillRun`. */
interface Run {
  readonly origin: number;
  readonly at: number;
  readonly end: number;
  bringsSoon(byte: number): boolean;
  isSlowerThan(rate: number): boolean;
  giveUp(): void;
}

/** The runs of one fill: what is on its way. */
export class FillRuns {
  readonly #all = new Set<Run>();
  #moved = Promise.withResolvers<void>();

  add(run: Run): void {
    this.#all.add(run);
  }

  remove(run: Run): void {
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
  bringing(byte: number): Run | undefined {
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
  nextBeyond(run: Run): number {
    let next = Number.POSITIVE_INFINITY;
    for (const other of this.#all)
      if (other.origin > run.origin && other.at >= run.at) next = Math.min(next, other.at);
    return next;
  }
}
