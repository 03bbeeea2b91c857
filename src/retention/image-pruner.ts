import { ChosenTags } from './chosen-tags.ts';
import { CountingHands } from './counting-hands.ts';
import { ImageRemoval } from './image-removal.ts';
import type { Pins } from './pins.ts';
import type { Pruner, Removed, Selection } from './prune.ts';
import { type RemovalParts, RemovingHands } from './removing-hands.ts';
import { roots } from './roots.ts';

/** So long bytes are left alone that nobody names yet: they come before what names them. Milliseconds. */
export const usualGraceMs = 10 * 60_000;

export interface PrunerParts extends RemovalParts {
  readonly pins: Pins;
}

/** Removes images by their roots. */
export class ImagePruner implements Pruner {
  readonly #parts: PrunerParts;

  constructor(parts: PrunerParts) {
    this.#parts = parts;
  }

  async *prune(
    selection: Selection,
    { dryRun, signal }: { readonly dryRun: boolean; readonly signal?: AbortSignal },
  ): AsyncGenerator<Removed> {
    const { graph, clock, pins } = this.#parts;
    const hands = dryRun ? new CountingHands(this.#parts) : new RemovingHands(this.#parts);
    const removal = new ImageRemoval(graph, hands);
    const chosen = new ChosenTags(selection, graph, pins);
    let left = selection.limit ?? Number.POSITIVE_INFINITY;
    for await (const node of roots(graph, clock)) {
      signal?.throwIfAborted();
      if (left <= 0 || node.usedAt > (selection.notUsedSince ?? Number.POSITIVE_INFINITY)) return;
      const tags = await chosen.of(node);
      if (tags === undefined) continue;
      const removed = await removal.remove(node.repository, node.digest, tags, signal);
      // Somebody may have pinned it meanwhile.
      if (removed === undefined) continue;
      yield removed;
      left -= 1;
    }
  }
}
