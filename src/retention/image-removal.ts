import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { Dropped, Hands } from './hands.ts';
import { namedBy } from './named-by.ts';
import type { Removed } from './prune.ts';
import { type Referrer, referrersOf } from './referrers-of.ts';

/**
 * Removes an image from its root downwards: each manifest with what only it named, then what only it led to. Wherever that ends what is left is
 * whole, or bytes that nobody names.
 */
export class ImageRemoval {
  readonly #graph: ImageGraph;
  readonly #hands: Hands;

  constructor(graph: ImageGraph, hands: Hands) {
    this.#graph = graph;
    this.#hands = hands;
  }

  /** `tags`: of the root those that go. Where something else leads to it, it stays. Undefined: nothing has gone. */
  async remove(
    repository: RepositoryName,
    root: Digest,
    tags: readonly Tag[],
    signal?: AbortSignal,
  ): Promise<Removed | undefined> {
    const going: Referrer[] = [{ digest: root, tags }];
    const blobs: Digest[] = [];
    let freed = 0;
    let dropped: Dropped | undefined;
    // It grows meanwhile.
    for (const { digest, tags: its } of going) {
      signal?.throwIfAborted();
      // Before its row goes, which says so.
      const named = await Array.fromAsync(namedBy(this.#graph, repository, digest));
      const { isGone, tags: gone } = await this.#hands.drop(repository, digest, its);
      dropped ??= { isGone, tags: gone };
      if (!isGone) continue;
      const content = named.filter(({ isManifest }) => !isManifest).map((each) => each.digest);
      for (const each of await this.#hands.discard(repository, [...content, digest])) {
        freed += each.size;
        if (each.digest !== digest) blobs.push(each.digest);
      }
      for (const child of named) if (child.isManifest) going.push({ digest: child.digest, tags: [] });
      for await (const referrer of referrersOf(this.#graph, repository, digest)) going.push(referrer);
    }
    if (dropped === undefined || !(dropped.isGone || dropped.tags.length > 0)) return undefined;
    return { repository, digest: root, ...dropped, blobs, freed };
  }
}
