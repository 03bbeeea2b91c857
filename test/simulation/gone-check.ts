import type { Clock } from '#src/base/clock.ts';
import type { RepositoryName, Tag } from '#src/oci/reference.ts';
import { evictionOrder } from '#src/retention/eviction-order.ts';
import type { Pins } from '#src/retention/pins.ts';
import type { ImageGraph, ImageNode } from '#src/storage/image-graph.ts';
import type { Operation } from '#src/storage/operation.ts';

/** Tags that upstream has said to have no more, and since when that is settled; in fake milliseconds. */
export class GoneTags {
  readonly #since = new Map<string, number>();

  note(operations: readonly Operation[], time: number): void {
    for (const operation of operations) {
      if (operation.kind === 'tag is gone') this.#since.set(keyOf(operation.repository, operation.tag), time);
      if (operation.kind === 'put tag') this.#since.delete(keyOf(operation.repository, operation.record.tag));
    }
  }

  /** Was it so before then? */
  has(repository: RepositoryName, tag: Tag, before: number): boolean {
    return (this.#since.get(keyOf(repository, tag)) ?? Number.POSITIVE_INFINITY) < before;
  }
}

interface Candidates {
  readonly graph: ImageGraph;
  readonly clock: Clock;
  readonly pins: Pins;
  /** When what may go must have been here; milliseconds since the epoch. */
  readonly before: number;
  /** Does it count? */
  readonly isMeant: (node: ImageNode) => boolean;
}

/** An image that could have gone instead of one that upstream has no more. */
export async function otherThanGone({
  graph,
  clock,
  pins,
  before,
  isMeant,
}: Candidates): Promise<ImageNode | undefined> {
  for await (const node of evictionOrder(graph, clock, () => true)) {
    const isGone = node.tags.some(({ goneAt }) => goneAt !== undefined);
    if (!isGone && node.createdAt < before && !pins.has(node) && isMeant(node)) return node;
  }
  return undefined;
}

function keyOf(repository: RepositoryName, tag: Tag): string {
  return `${repository}:${tag}`;
}
