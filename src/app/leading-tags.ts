import type { LeadingTags } from '../door/rules/digest-policy.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';

/** An index of images, an image, its blobs; some nest one deeper. */
const maxDepth = 4;
/** So many manifests on the way up are looked at. What has more leading to it may pass. */
const maxManifests = 200;

/** The cached tags that lead to something, from it upwards. None: nobody knows of any, or of too many to look at all. */
export function leadingTags(store: {
  readonly metadata: Pick<MetadataStore, 'listManifestsOf'>;
  readonly graph: Pick<ImageGraph, 'node'>;
}): LeadingTags {
  return async (repository, digest) => {
    const tags = new Set<Tag>();
    const seen = new Set([digest]);
    let level: readonly Digest[] = [digest];
    for (let depth = 0; depth < maxDepth && level.length > 0; depth += 1) {
      const above: Digest[] = [];
      for (const one of level) {
        for (const { tag } of (await store.graph.node(repository, one))?.tags ?? []) tags.add(tag);
        above.push(...(await namedBy(store, repository, one)));
      }
      level = above.filter((one) => !seen.has(one));
      for (const one of level) seen.add(one);
      if (seen.size > maxManifests) return [];
    }
    return [...tags];
  };
}

async function namedBy(
  { metadata }: { readonly metadata: Pick<MetadataStore, 'listManifestsOf'> },
  repository: RepositoryName,
  digest: Digest,
): Promise<readonly Digest[]> {
  return await metadata.listManifestsOf(repository, digest, maxManifests);
}
