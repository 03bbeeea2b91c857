import { PutOffError } from '#src/cache/fills/put-off.ts';
import type { TransportRequest } from '#src/net/transport.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { Asked } from './fake-registry.ts';
import type { ModelRepository } from './model.ts';
import { short } from './trace.ts';
import type { World } from './world.ts';

/** A blob costs one transfer in the life of a process; a second may be a client who came in the gap. */
const maxTransfers = 2;

/** Counts the transfers that a registry that is well has begun. What is ended to make room is no fault of who asks again. */
export class RequestCount {
  readonly #world: World;
  readonly #transfers = new Map<string, number>();

  constructor(world: World) {
    this.#world = world;
  }

  /** It has answered with bytes. */
  begun(
    { bulk, headers, signal }: TransportRequest,
    { what, host, reference = '', repository }: Asked,
  ): void {
    const { health, findings, model, plan, spoilt } = this.#world;
    if (bulk !== true || what !== 'blob' || headers?.['range'] !== undefined) return;
    const isGiven = repository === undefined || isIn(repository, reference as Digest);
    const repositories = [...model.repositories.values()];
    const isClaimed = repositories.some(({ wronglySized }) => wronglySized.has(reference as Digest));
    // Without room nothing is kept.
    if (spoilt.has(reference as Digest)) return;
    if (!isGiven || isClaimed || health.wasEverOdd(host) || plan.full !== undefined) return;
    // What was removed is fetched again.
    if (plan.prunes.length > 0 || plan.maxSize > 0) return;
    const count = this.#count(reference, 1);
    signal?.addEventListener('abort', () => {
      if (signal.reason instanceof PutOffError) this.#count(reference, -1);
    });
    if (count === maxTransfers + 1)
      findings.add('bounded requests', short(`${host} gives ${reference} for the ${count}th time`));
  }

  #count(reference: string, more: number): number {
    const count = (this.#transfers.get(reference) ?? 0) + more;
    this.#transfers.set(reference, count);
    return count;
  }
}

function isIn({ isForbidden, blobs }: ModelRepository, digest: Digest): boolean {
  return !isForbidden && blobs.has(digest);
}
