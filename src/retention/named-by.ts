import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { ImageGraph, NamedContent } from '../storage/image-graph.ts';
import { allPages } from './all-pages.ts';

/** All that a manifest names. */
export function namedBy(
  graph: ImageGraph,
  repository: RepositoryName,
  digest: Digest,
): AsyncIterable<NamedContent> {
  return allPages<NamedContent, Digest>(
    async (page) => await graph.named(repository, digest, page),
    (each) => each.digest,
  );
}
