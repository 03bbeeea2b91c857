import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ListingRecord, ManifestRecord, Origin, ScrubPlace, TagRecord, Use } from './records.ts';
import type { Stamp } from './stamp.ts';

/** One step of a change: data, so that it can be kept, sent and done again. Made by the functions below, which say what each means. */
export type Operation =
  | {
      readonly kind: 'put manifest';
      readonly repository: RepositoryName;
      readonly manifest: ManifestRecord;
      readonly origin: Origin;
    }
  | { readonly kind: 'remove manifest'; readonly repository: RepositoryName; readonly digest: Digest }
  | {
      readonly kind: 'put tag';
      readonly repository: RepositoryName;
      readonly record: TagRecord;
      readonly was: Digest | undefined;
    }
  | {
      readonly kind: 'link blob';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly verified: number | undefined;
      readonly origin: Origin;
      readonly stamp?: Stamp | undefined;
    }
  | { readonly kind: 'note scrub'; readonly place: ScrubPlace }
  | { readonly kind: 'note check'; readonly digest: Digest; readonly size: number; readonly stamp: Stamp }
  | { readonly kind: 'lose blob'; readonly digest: Digest }
  | {
      readonly kind: 'put tag list';
      readonly repository: RepositoryName;
      readonly list: ListingRecord<Tag>;
    }
  | {
      readonly kind: 'put referrers list';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly list: ListingRecord<Descriptor>;
    }
  | { readonly kind: 'record uses'; readonly uses: readonly Use[] };

/** Also makes its children known, and its place among its subject's referrers. Its bytes are stored. Idempotent. */
export function putManifest(
  repository: RepositoryName,
  manifest: ManifestRecord,
  origin: Origin = 'upstream',
): Operation {
  return { kind: 'put manifest', repository, manifest, origin };
}

/** Forgets one manifest of a repository and the tags that point at it. */
export function removeManifest(repository: RepositoryName, digest: Digest): Operation {
  return { kind: 'remove manifest', repository, digest };
}

/**
 * Replaces what is there, if that points at `was`, which is what its author knew. If it points elsewhere (another process moved it), it
 * is replaced unless it was checked later, and not in what is the future by today's clock; a `checkedAt` of 0, which is no time, always
 * replaces. The manifest it points at must be known.
 */
export function putTag(repository: RepositoryName, record: TagRecord, was?: Digest): Operation {
  return { kind: 'put tag', repository, record, was };
}

/**
 * The blob is stored, and upstream has shown that the repository owns it. `verified`: its size in bytes, if its digest was found right
 * just now; `stamp`: of the file whose bytes they were.
 */
export function linkBlob(
  repository: RepositoryName,
  digest: Digest,
  verified?: number,
  origin: Origin = 'upstream',
  stamp?: Stamp,
): Operation {
  return { kind: 'link blob', repository, digest, verified, origin, stamp };
}

/** The bytes of this file were hashed, and are the digest's. Says nothing of whose they are; of what is not known to be here it is not kept. */
export function noteCheck(digest: Digest, size: number, stamp: Stamp): Operation {
  return { kind: 'note check', digest, size, stamp };
}

/** How far the check of all that is stored has come, for the next process. */
export function noteScrub(place: ScrubPlace): Operation {
  return { kind: 'note scrub', place };
}

/** The blob's bytes are gone, for every repository. Who owns it and how large it is are facts that stay. */
export function loseBlob(digest: Digest): Operation {
  return { kind: 'lose blob', digest };
}

/** Upstream's tag list as last seen; one that was seen before takes no other's place. */
export function putTagList(repository: RepositoryName, list: ListingRecord<Tag>): Operation {
  return { kind: 'put tag list', repository, list };
}

/** Upstream's referrers as last seen, in the same way. */
export function putReferrersList(
  repository: RepositoryName,
  digest: Digest,
  list: ListingRecord<Descriptor>,
): Operation {
  return { kind: 'put referrers list', repository, digest, list };
}

/** When manifests were last served: batched, off the hot path. Counts for the indexes that lead to them, too. */
export function recordUses(uses: readonly Use[]): Operation {
  return { kind: 'record uses', uses };
}

/** What somebody else has changed: whoever remembers it has to look again. */
export type Change =
  | { readonly kind: 'tag'; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly digest: Digest }
  /** Its bytes have come or gone. */
  | { readonly kind: 'blob'; readonly digest: Digest };

/** What whoever remembers things has to look up again when these were done. */
export function changesOf(operations: readonly Operation[]): readonly Change[] {
  return operations.flatMap((operation): Change[] => {
    const { kind } = operation;
    if (kind === 'put tag')
      return [{ kind: 'tag', repository: operation.repository, tag: operation.record.tag }];
    if (kind === 'put manifest') {
      const { digest } = operation.manifest.descriptor;
      return [{ kind: 'manifest', repository: operation.repository, digest }];
    }
    if (kind === 'remove manifest')
      return [{ kind: 'manifest', repository: operation.repository, digest: operation.digest }];
    if (kind === 'link blob' || kind === 'lose blob') return [{ kind: 'blob', digest: operation.digest }];
    return [];
  });
}

/** Changes in their order; `all`: more than is remembered, so that nothing which was known holds. */
export type Changes = readonly Change[] | 'all';
