import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type {
  ListingRecord,
  ManifestRecord,
  Miss,
  Origin,
  ScrubPlace,
  TagRecord,
  UploadRecord,
  Use,
} from './records.ts';
import type { Stamp } from './stamp.ts';

/** One step of a change: data, so that it can be kept, sent and done again. Made by the functions below, which say what each means. */
export type Operation =
  | {
      readonly kind: 'put manifest';
      readonly repository: RepositoryName;
      readonly manifest: ManifestRecord;
      readonly origin: Origin;
    }
  | {
      readonly kind: 'restore manifest';
      readonly repository: RepositoryName;
      readonly manifest: ManifestRecord;
      readonly origin: Origin;
      readonly by: RestoredBy;
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
  | {
      readonly kind: 'own blob';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly origin: Origin;
    }
  | { readonly kind: 'note scrub'; readonly place: ScrubPlace }
  | {
      readonly kind: 'queue events';
      readonly endpoint: string;
      readonly texts: readonly string[];
      readonly most: number;
    }
  | {
      readonly kind: 'take event turn';
      readonly endpoint: string;
      readonly holder: string;
      readonly until: number;
    }
  | {
      readonly kind: 'settle events';
      readonly endpoint: string;
      readonly upTo: number;
      readonly holder: string;
    }
  | { readonly kind: 'note progress'; readonly of: string; readonly after: string | undefined }
  | { readonly kind: 'note check'; readonly digest: Digest; readonly size: number; readonly stamp: Stamp }
  | { readonly kind: 'lose blob'; readonly digest: Digest; readonly found: 'missing' | 'wrong' }
  | {
      readonly kind: 'remove tag';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly digest: Digest;
    }
  | {
      readonly kind: 'tag is gone';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly at: number;
    }
  | { readonly kind: 'doubt tag'; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly kind: 'drop manifest'; readonly repository: RepositoryName; readonly digest: Digest }
  | {
      readonly kind: 'discard content';
      readonly repository: RepositoryName;
      readonly digests: readonly Digest[];
      readonly before: number;
    }
  | { readonly kind: 'discard unknown'; readonly digests: readonly Digest[]; readonly before: number }
  | { readonly kind: 'settle discarded'; readonly digests: readonly Digest[] }
  | {
      readonly kind: 'lease content';
      readonly digests: readonly Digest[];
      readonly holder: string;
      readonly until: number;
    }
  | { readonly kind: 'end lease'; readonly digests: readonly Digest[]; readonly holder: string }
  | { readonly kind: 'announce content'; readonly digests: readonly Digest[]; readonly until: number }
  | {
      readonly kind: 'note arrival';
      readonly digest: Digest;
      readonly size: number;
      readonly stamp: Stamp | undefined;
    }
  | {
      readonly kind: 'leave content';
      readonly repository: RepositoryName;
      readonly digests: readonly Digest[];
    }
  | { readonly kind: 'discard announced'; readonly digests: readonly Digest[]; readonly before: number }
  | { readonly kind: 'note taken over'; readonly place: string; readonly state: string }
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
  | { readonly kind: 'record uses'; readonly uses: readonly Use[] }
  | { readonly kind: 'record misses'; readonly misses: readonly Miss[] }
  | {
      readonly kind: 'require content';
      readonly repository: RepositoryName;
      readonly blobs: readonly Digest[];
      readonly manifests: readonly Digest[];
    }
  | {
      readonly kind: 'require tag';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly digest: Digest;
    }
  | {
      readonly kind: 'require unled';
      readonly repository: RepositoryName;
      readonly digest: Digest;
      readonly by: 'anything' | 'indexes';
    }
  | { readonly kind: 'disown blob'; readonly repository: RepositoryName; readonly digest: Digest }
  | { readonly kind: 'begin upload'; readonly upload: UploadRecord }
  | { readonly kind: 'end upload'; readonly id: string }
  | {
      readonly kind: 'pin tag';
      readonly repository: RepositoryName;
      readonly tag: Tag;
      readonly isPinned: boolean;
    };

/** Also makes its children known, and its place among its subject's referrers. Its bytes are stored. Idempotent. */
export function putManifest(
  repository: RepositoryName,
  manifest: ManifestRecord,
  origin: Origin = 'upstream',
): Operation {
  return { kind: 'put manifest', repository, manifest, origin };
}

/** Who says that a manifest was here: an index that is known, or a list; that also by which tag, if it had one. */
export type RestoredBy =
  | 'index'
  | { readonly tag: Tag | undefined; readonly checkedAt: number; readonly isPinned: boolean };

/**
 * As {@link putManifest}, by the word of who may know less than is known here: what was removed since stays away, and so does what nothing but an index led to
 * that has gone. A tag that is there stays where it points; one that was pinned is so again.
 */
export function restoreManifest(
  repository: RepositoryName,
  manifest: ManifestRecord,
  by: RestoredBy,
  origin: Origin = 'upstream',
): Operation {
  return { kind: 'restore manifest', repository, manifest, origin, by };
}

/** Forgets one manifest of a repository and the tags that point at it. */
export function removeManifest(repository: RepositoryName, digest: Digest): Operation {
  return { kind: 'remove manifest', repository, digest };
}

/**
 * Replaces what is there, if that points at `was`, which is what its author knew. If it points elsewhere (another process moved it), it
 * is replaced unless it was checked later, and not in what is the future by today's clock; a `checkedAt` of 0, which is no time, always
 * replaces. Where the manifest it points at is not known nothing of the change is done: throws {@link MissingContentError}.
 */
export function putTag(repository: RepositoryName, record: TagRecord, was?: Digest): Operation {
  return { kind: 'put tag', repository, record, was };
}

/**
 * The blob is stored, and upstream has shown that the repository owns it. `verified`: its size in bytes, if its digest was found right
 * just now; `stamp`: of the file whose bytes they were. One that was pushed, and that no manifest of the repository names, is said to be leaving.
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

/** They wait behind those that wait for the endpoint already; of more than `most` the oldest go, and are counted. A hundred texts at most. */
export function queueEvents(endpoint: string, texts: readonly string[], most: number): Operation {
  return { kind: 'queue events', endpoint, texts, most };
}

/** Whoever holds it sends what waits for the endpoint, until then (milliseconds since the epoch). Nothing is changed where another holds it now. */
export function takeEventTurn(endpoint: string, holder: string, until: number): Operation {
  return { kind: 'take event turn', endpoint, holder, until };
}

/** What waited for the endpoint up to this one has been sent, or given up; who has done so does not hold its turn any more. Some hundred at most. */
export function settleEvents(endpoint: string, upTo: number, holder: string): Operation {
  return { kind: 'settle events', endpoint, upTo, holder };
}

/** How far a walk that is not done in one go has come (undefined: to its end), for the next process. */
export function noteProgress(of: string, after: string | undefined): Operation {
  return { kind: 'note progress', of, after };
}

/** Upstream has shown that the repository owns the blob. Whether its bytes are here is another matter: they may have gone since somebody looked. */
export function ownBlob(repository: RepositoryName, digest: Digest, origin: Origin = 'upstream'): Operation {
  return { kind: 'own blob', repository, digest, origin };
}

/**
 * The blob's bytes are gone, for every repository. Who owns it and how large it is are facts that stay. `missing`: nothing was in their place, unless they lie there now, or
 * can be put back; `wrong`: whatever lies there.
 */
export function loseBlob(digest: Digest, found: 'missing' | 'wrong' = 'wrong'): Operation {
  return { kind: 'lose blob', digest, found };
}

/** Forgets a tag, if it still points there and is not pinned. */
export function removeTag(repository: RepositoryName, tag: Tag, digest: Digest): Operation {
  return { kind: 'remove tag', repository, tag, digest };
}

/** Upstream has said that it has no such tag, and vouches for it no longer. Holds until it says where the tag points. `at`: milliseconds since the epoch. */
export function tagIsGone(repository: RepositoryName, tag: Tag, at: number): Operation {
  return { kind: 'tag is gone', repository, tag, at };
}

/** Somebody has told that the tag may have moved or gone: nothing vouches for it (`checkedAt` is 0) until upstream says where it points. */
export function doubtTag(repository: RepositoryName, tag: Tag): Operation {
  return { kind: 'doubt tag', repository, tag };
}

/**
 * Forgets a manifest of a repository that nothing leads to: no tag, no index of the repository, no subject that is there. Else it stays. What
 * it named is said to be leaving, for {@link discardContent}.
 */
export function dropManifest(repository: RepositoryName, digest: Digest): Operation {
  return { kind: 'drop manifest', repository, digest };
}

/**
 * What no manifest of the repository names any more, nor is one of it, it owns no longer; and of what is named by none at all, in any
 * repository, the bytes go with all that says whose they were. What came here at `before` or later (milliseconds since the epoch), or is
 * leased, stays as it is, and is still said to be leaving. Some ten digests at a time: their files are moved meanwhile.
 */
export function discardContent(
  repository: RepositoryName,
  digests: readonly Digest[],
  before: number,
): Operation {
  return { kind: 'discard content', repository, digests, before };
}

/**
 * Of these nothing says that their bytes are here, and none is named or leased: then the bytes go, unless they came at `before` or later (milliseconds since the
 * epoch). Some ten digests at a time, as above.
 */
export function discardUnknown(digests: readonly Digest[], before: number): Operation {
  return { kind: 'discard unknown', digests, before };
}

/** Of these the bytes were discarded, perhaps by a process that ended before it had said so: those that are known to be here are put back. */
export function settleDiscarded(digests: readonly Digest[]): Operation {
  return { kind: 'settle discarded', digests };
}

/** None of these bytes is discarded before `until` (milliseconds since the epoch): who leases them is about to name them. Replaces what the holder said before. */
export function leaseContent(digests: readonly Digest[], holder: string, until: number): Operation {
  return { kind: 'lease content', digests, holder, until };
}

/** The holder has named what he leased, or will not. */
export function endLease(digests: readonly Digest[], holder: string): Operation {
  return { kind: 'end lease', digests, holder };
}

/**
 * These bytes are about to be stored, or are, and whoever brings them names them later. None of them is discarded before `until` (milliseconds
 * since the epoch); what nothing names by then is there for {@link discardAnnounced}. Holds until an import or a push links or puts it.
 */
export function announceContent(digests: readonly Digest[], until: number): Operation {
  return { kind: 'announce content', digests, until };
}

/** The bytes that were announced are here, verified; they are nobody's yet. `stamp`: of their file, where that was hashed. */
export function noteArrival(digest: Digest, size: number, stamp: Stamp | undefined): Operation {
  return { kind: 'note arrival', digest, size, stamp };
}

/** Of these no manifest of the repository may ever be put: what none names by now is said to be leaving, for {@link discardContent}. */
export function leaveContent(repository: RepositoryName, digests: readonly Digest[]): Operation {
  return { kind: 'leave content', repository, digests };
}

/**
 * Of what was announced, and whose time is over, the bytes go that nothing names and nobody owns, or that nobody has said to be here. What came at `before` or later
 * (milliseconds since the epoch), or is leased, stays, and is still announced. Some ten digests at a time: their files are moved meanwhile.
 */
export function discardAnnounced(digests: readonly Digest[], before: number): Operation {
  return { kind: 'discard announced', digests, before };
}

/** What lies at this place of a directory that was found beside ours has been imported, or refused, as it is described. */
export function noteTakenOver(place: string, state: string): Operation {
  return { kind: 'note taken over', place, state };
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

/** Added to what is known of the same names. Of ten thousand that were missed last; the others are forgotten. */
export function recordMisses(misses: readonly Miss[]): Operation {
  return { kind: 'record misses', misses };
}

/** No policy removes what a pinned tag points at, wherever it moves. A tag that is not there stays so. */
export function pinTag(repository: RepositoryName, tag: Tag, isPinned: boolean): Operation {
  return { kind: 'pin tag', repository, tag, isPinned };
}

/**
 * Nothing of a change is done unless the repository owns these blobs, whose bytes are here, and has these manifests: throws
 * {@link MissingContentError}. No more than an image names.
 */
export function requireContent(
  repository: RepositoryName,
  { blobs = [], manifests = [] }: { blobs?: readonly Digest[]; manifests?: readonly Digest[] },
): Operation {
  return { kind: 'require content', repository, blobs, manifests };
}

/** Nothing of a change is done where the tag is there and points elsewhere: throws {@link TagTakenError}. */
export function requireTag(repository: RepositoryName, tag: Tag, digest: Digest): Operation {
  return { kind: 'require tag', repository, tag, digest };
}

/**
 * Nothing of a change is done while a tag or an index of the repository leads to the manifest, or an index alone does: throws {@link StillNamedError}.
 */
export function requireUnled(
  repository: RepositoryName,
  digest: Digest,
  by: 'anything' | 'indexes' = 'anything',
): Operation {
  return { kind: 'require unled', repository, digest, by };
}

/**
 * The repository owns the blob no longer, and its bytes are said to be leaving. Throws {@link StillNamedError}, and does nothing, where a manifest of the
 * repository names it.
 */
export function disownBlob(repository: RepositoryName, digest: Digest): Operation {
  return { kind: 'disown blob', repository, digest };
}

/** A client is going to send a blob. */
export function beginUpload(upload: UploadRecord): Operation {
  return { kind: 'begin upload', upload };
}

/** It is a blob, or given up. */
export function endUpload(id: string): Operation {
  return { kind: 'end upload', id };
}

/** What somebody else has changed: whoever remembers it has to look again. */
export type Change =
  | { readonly kind: 'tag'; readonly repository: RepositoryName; readonly tag: Tag }
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly digest: Digest }
  /** Its bytes have come or gone. */
  | { readonly kind: 'blob'; readonly digest: Digest };

/** What whoever remembers things has to look up again when these were done. */
export function changesOf(operations: readonly Operation[]): readonly Change[] {
  return operations.flatMap((operation): readonly Change[] => {
    switch (operation.kind) {
      case 'put tag':
        return [{ kind: 'tag', repository: operation.repository, tag: operation.record.tag }];
      case 'remove tag':
      case 'tag is gone':
      case 'doubt tag':
        return [{ kind: 'tag', repository: operation.repository, tag: operation.tag }];
      case 'restore manifest':
        return restoredChanges(operation);
      case 'put manifest':
        return [manifestChange(operation.repository, operation.manifest.descriptor.digest)];
      case 'remove manifest':
      case 'drop manifest':
        return [manifestChange(operation.repository, operation.digest)];
      case 'link blob':
      case 'own blob':
      case 'note arrival':
      case 'lose blob':
      case 'disown blob':
        return [{ kind: 'blob', digest: operation.digest }];
      case 'discard content':
      case 'discard announced':
      case 'settle discarded':
        return operation.digests.map((digest) => ({ kind: 'blob', digest }));
      default:
        return [];
    }
  });
}

function restoredChanges({
  repository,
  manifest,
  by,
}: Extract<Operation, { kind: 'restore manifest' }>): readonly Change[] {
  const change = manifestChange(repository, manifest.descriptor.digest);
  if (by === 'index' || by.tag === undefined) return [change];
  return [change, { kind: 'tag', repository, tag: by.tag }];
}

function manifestChange(repository: RepositoryName, digest: Digest): Change {
  return { kind: 'manifest', repository, digest };
}

/** Changes in their order; `all`: more than is remembered, so that nothing which was known holds. */
export type Changes = readonly Change[] | 'all';
