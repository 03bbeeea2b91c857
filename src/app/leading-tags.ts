import type { LeadingTags } from '../door/rules/digest-policy.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';

/** An index of images, an image, its blobs; some nest one deeper. */
const maxDepth = 4;
/** So many on the way up are looked at. */
const maxLooks = 200;

/**
 * The cached tags that lead to something, from it upwards, one way after the other: of what more leads to, the tags that were found so far, by the newest
 * manifests. None: nobody knows of any.
 */
export function leadingTags(store: {
  readonly metadata: Pick<MetadataStore, 'listManifestsOf'>;
  readonly graph: Pick<ImageGraph, 'node'>;
}): LeadingTags {
  return async (repository, digest) => {
    const tags = new Set<Tag>();
    const seen = new Set([digest]);
    const left = [{ one: digest, depth: 1 }];
    for (let looks = 0; looks < maxLooks; looks += 1) {
      const next = left.pop();
      if (next === undefined) break;
      const { one, depth } = next;
      for (const { tag } of (await store.graph.node(repository, one))?.tags ?? []) tags.add(tag);
      if (depth === maxDepth) continue;
      const above = (await namedBy(store, repository, one)).filter((each) => !seen.has(each));
      for (const each of above) seen.add(each);
      left.push(...above.toReversed().map((each) => ({ one: each, depth: depth + 1 })));
    }
    return [...tags];
  };
}

async function namedBy(
  { metadata }: { readonly metadata: Pick<MetadataStore, 'listManifestsOf'> },
  repository: RepositoryName,
  digest: Digest,
): Promise<readonly Digest[]> {
  return await metadata.listManifestsOf(repository, digest, maxLooks);
}
