import type { FillRun } from './fill-run.ts';

/** What a run brings within this time is soon here; so long it runs before anybody knows how fast it is. Milliseconds. */
export const soonMs = 500;
/** No further ahead of a run that has just begun is waited for. Bytes. */
const near = 1024 * 1024;

/** The runs of one fill: what is on its way. */
export class FillRuns {
  readonly #all = new Set<FillRun>();
  #moved = Promise.withResolvers<void>();

  add(run: FillRun): void {
    this.#all.add(run);
  }

  remove(run: FillRun): void {
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

  /** Is this byte on its way? */
  brings(byte: number): boolean {
    return this.#all.values().some(({ at, end }) => at <= byte && byte < end);
  }

  /** Is it here soon? */
  bringsSoon(byte: number): boolean {
    return this.#all.values().some(({ at, end, rate, age }) => {
      if (byte < at || byte >= end) return false;
      const ahead = byte - at;
      return ahead === 0 || (age < soonMs ? ahead <= near : ahead * 1000 <= rate * soonMs);
    });
  }

  /** The next byte from this one on at which a run is. */
  nextFrom(byte: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { at } of this.#all) if (at > byte) next = Math.min(next, at);
    return next;
  }

  /** Where a run that was begun further on than this one goes on. */
  nextBehind(run: FillRun): number {
    let next = Number.POSITIVE_INFINITY;
    for (const other of this.#all)
      if (other.origin > run.origin && other.at >= run.at) next = Math.min(next, other.at);
    return next;
  }
}
