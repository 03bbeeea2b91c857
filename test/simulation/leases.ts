import type { Digest } from '#src/oci/reference.ts';
import type { Operation } from '#src/storage/operation.ts';

/** A lease that the index has taken. Times: `since` in fake milliseconds, `until` since the epoch. */
interface Lease {
  readonly since: number;
  readonly until: number;
}

/** Whose bytes somebody has leased, and since when that is settled. */
export class Leases {
  readonly #held = new Map<Digest, Lease>();

  note(operations: readonly Operation[], time: number): void {
    for (const operation of operations) {
      if (operation.kind !== 'lease content') continue;
      const { digests, until } = operation;
      for (const digest of digests) {
        const known = this.#held.get(digest);
        const since = known !== undefined && known.until > until ? known.since : time;
        this.#held.set(digest, { since, until: Math.max(until, known?.until ?? 0) });
      }
    }
  }

  /** Was it leased before then, and is it so at `now`, milliseconds since the epoch? */
  has(digest: Digest, before: number, now: number): boolean {
    const lease = this.#held.get(digest);
    return lease !== undefined && lease.since < before && lease.until > now;
  }
}
