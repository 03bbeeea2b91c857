import { algorithmOf, hexOf } from '../oci/digest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import { allPages } from './all-pages.ts';

/** What refers to a manifest, and the tags that say so; none: its subject does. */
export interface Referrer {
  readonly digest: Digest;
  readonly tags: readonly Tag[];
}

/** By their subject, and by the tags that cosign, and clients of registries without referrers, make of its digest. */
export async function* referrersOf(
  graph: ImageGraph,
  repository: RepositoryName,
  digest: Digest,
): AsyncGenerator<Referrer> {
  const referrers = allPages(
    async (page: { after: Digest | undefined; limit: number }) =>
      await graph.referrers(repository, digest, page),
    (referrer) => referrer,
  );
  for await (const referrer of referrers) yield { digest: referrer, tags: [] };
  const prefix = tagPrefix(digest);
  const tags = allPages(
    async (page: { after: Tag | undefined; limit: number }) => await graph.tagsLike(repository, prefix, page),
    ({ tag }) => tag,
  );
  for await (const { tag, digest: tagged } of tags) yield { digest: tagged, tags: [tag] };
}

function tagPrefix(digest: Digest): string {
  return `${algorithmOf(digest)}-${hexOf(digest)}`;
}
