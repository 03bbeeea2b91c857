import type { Digest } from '#src/oci/reference.ts';
import type { Operation } from '#src/storage/operation.ts';

/** A lease that the index has taken. Times: `since` in fake milliseconds, `until` since the epoch. */
interface Lease {
  readonly since: number;
  readonly until: number;
}

/** Whose bytes somebody has leased, and since when that is settled. */
export class Leases {
  /** By their holders. */
  readonly #held = new Map<Digest, Map<string, Lease>>();

  note(operations: readonly Operation[], time: number): void {
    for (const operation of operations) {
      if (operation.kind === 'end lease')
        for (const digest of operation.digests) this.#held.get(digest)?.delete(operation.holder);
      if (operation.kind === 'lease content')
        for (const digest of operation.digests) this.#lease(digest, operation, time);
    }
  }

  #lease(digest: Digest, { holder, until }: Omit<Lease, 'since'> & { holder: string }, time: number): void {
    const held = this.#held.get(digest) ?? new Map<string, Lease>();
    this.#held.set(digest, held.set(holder, { since: held.get(holder)?.since ?? time, until }));
  }

  /** Was it leased before then, and is it so at `now`, milliseconds since the epoch? */
  has(digest: Digest, before: number, now: number): boolean {
    const leases = this.#held.get(digest)?.values() ?? [];
    return leases.some(({ since, until }) => since < before && until > now);
  }
}
