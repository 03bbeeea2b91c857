import type { Clock } from '../../base/clock.ts';
import type { RepositoryName } from '../../oci/reference.ts';

/** A reader that takes nothing for so long is dropped where it would hold up others. */
const stallMs = 30_000;

/** A reader's place in the blob; `wake` ends its waiting for more. */
export interface Follower {
  readonly repository: RepositoryName;
  /** Does it read for a client, and not so that the blob is here in the end? */
  readonly isClient: boolean;
  at: number;
  /** Behind the last byte that it wants. */
  until: number;
  wake: () => void;
}

/** Bytes before `end`, from `start` on; readers before `from` do not count. */
export interface ReadRange {
  readonly start: number;
  readonly end: number;
  readonly from?: number;
}

/**
 * Who follows a fill. A reader whose repository is not known yet to own the blob keeps its place, so that the fill is not
 * closed under it, but holds up nobody.
 */
export class FillFollowers {
  readonly #here = new Set<Follower>();
  readonly #owners: { has(repository: RepositoryName): boolean };
  readonly #clock: Clock;
  #clients = 0;

  constructor(owners: { has(repository: RepositoryName): boolean }, clock: Clock) {
    this.#owners = owners;
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#here.size === 0;
  }

  /** Does a client wait for it? */
  get isWaitedFor(): boolean {
    return this.#clients > 0;
  }

  join(repository: RepositoryName, at: number, isClient: boolean): Follower {
    const until = Number.POSITIVE_INFINITY;
    const follower: Follower = { repository, isClient, at, until, wake() {} };
    this.#here.add(follower);
    if (isClient) this.#clients += 1;
    return follower;
  }

  /** False: it has left or was dropped. */
  has(follower: Follower): boolean {
    return this.#here.has(follower);
  }

  leave(follower: Follower): void {
    if (this.#here.delete(follower) && follower.isClient) this.#clients -= 1;
    follower.wake();
  }

  wake(): void {
    for (const { wake } of this.#here) wake();
  }

  /** Does a client want some of these bytes? */
  want(start: number, end: number): boolean {
    for (const { at, until, isClient } of this.#here) if (isClient && at < end && start < until) return true;
    return false;
  }

  /** How far the slowest reader of these bytes is; `end` when there is none. */
  lowest({ start, end, from = 0 }: ReadRange): number {
    let lowest = end;
    for (const { at, until, repository } of this.#here)
      if (at < lowest && at >= from && start < until && this.#owners.has(repository)) lowest = at;
    return lowest;
  }

  /** While the blob is a pipe, a reader that does not read would hold up all others. Settles early when the signal is aborted. */
  async dropSlowest(
    range: { readonly start: number; readonly end: number },
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await this.#clock.sleep(stallMs, signal);
    } catch {
      return;
    }
    const lowest = this.lowest(range);
    for (const follower of this.#here)
      if (follower.at === lowest && this.#owners.has(follower.repository)) this.leave(follower);
  }
}
