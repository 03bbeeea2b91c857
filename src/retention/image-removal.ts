import { algorithmOf, hexOf } from '../oci/digest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph, NamedContent } from '../storage/image-graph.ts';
import { allPages } from './all-pages.ts';
import type { Hands } from './hands.ts';
import type { Removed } from './prune.ts';

/** A manifest that may go, and the tags of it that go. */
interface Going {
  readonly digest: Digest;
  readonly tags: readonly Tag[];
}

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

  /** `tags`: of the root those that go. Where something else leads to it, it stays. */
  async remove(
    repository: RepositoryName,
    root: Digest,
    tags: readonly Tag[],
    signal?: AbortSignal,
  ): Promise<Removed> {
    const going: Going[] = [{ digest: root, tags }];
    const blobs: Digest[] = [];
    let freed = 0;
    // It grows meanwhile.
    for (const { digest, tags: its } of going) {
      signal?.throwIfAborted();
      // Before its row goes, which says so.
      const named = await Array.fromAsync(
        allPages<NamedContent, Digest>(
          async (page) => await this.#graph.named(repository, digest, page),
          (each) => each.digest,
        ),
      );
      if (!(await this.#hands.drop(repository, digest, its))) continue;
      const content = named.filter(({ isManifest }) => !isManifest).map((each) => each.digest);
      for (const gone of await this.#hands.discard(repository, [...content, digest])) {
        freed += gone.size;
        if (gone.digest !== digest) blobs.push(gone.digest);
      }
      for (const child of named) if (child.isManifest) going.push({ digest: child.digest, tags: [] });
      for await (const referrer of this.#referrers(repository, digest)) going.push(referrer);
    }
    return { repository, digest: root, tags, blobs, freed };
  }

  /** By their subject, and by the tags that cosign, and clients of registries without referrers, make of its digest. */
  async *#referrers(repository: RepositoryName, digest: Digest): AsyncGenerator<Going> {
    const referrers = allPages(
      async (page: { after: Digest | undefined; limit: number }) =>
        await this.#graph.referrers(repository, digest, page),
      (referrer) => referrer,
    );
    for await (const referrer of referrers) yield { digest: referrer, tags: [] };
    for (const { tag, digest: tagged } of await this.#graph.tagsLike(repository, tagPrefix(digest)))
      yield { digest: tagged, tags: [tag] };
  }
}

function tagPrefix(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`;
}
