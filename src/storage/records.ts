import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, ImageName, RegistryHost, RepositoryName, Tag } from '../oci/reference.ts';
import type { Stamp } from './stamp.ts';

/** How we came by something: an upstream gave it, a bundle brought it, a client pushed it. */
export type Origin = 'upstream' | 'import' | 'push';

/** What is known of a manifest. Its bytes are content of their own. */
export interface ManifestRecord {
  readonly descriptor: Descriptor;
  /** Config and layers, to complete the image; without those that have `urls`. Empty for an index. */
  readonly blobs: readonly Descriptor[];
  /** The manifests of an index. Default: none. */
  readonly manifests?: readonly Descriptor[] | undefined;
  /** The manifest this one refers to (image-spec "subject"). */
  readonly subject?: Digest | undefined;
}

/** When a tag was checked of which nobody knows that: longer ago than whatever else is said of it. 0 would be no time. */
export const longAgo = 1;

/** What a tag pointed at when upstream was last asked. `checkedAt` in milliseconds since the epoch; 0: nothing vouches for it. */
export interface TagRecord {
  readonly tag: Tag;
  readonly descriptor: Descriptor;
  readonly checkedAt: number;
}

/** A name of a manifest: a tag, or its digest alone where neither a tag nor an index of its repository leads to it. */
export interface KnownName {
  readonly repository: RepositoryName;
  /** Undefined: its digest. */
  readonly tag: Tag | undefined;
  readonly descriptor: Descriptor;
  readonly isPinned: boolean;
  readonly origin: Origin;
}

/** Where a tag pointed before it moved or was removed. Milliseconds since the epoch. */
export interface FormerTag {
  readonly digest: Digest;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly why: 'moved' | 'removed';
}

/** A listing as upstream last gave it. */
export interface ListingRecord<Item> {
  readonly items: readonly Item[];
  readonly checkedAt: number;
}

export interface Use {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** What clients asked for across an air gap and was not here. Times in milliseconds since the epoch. */
export interface Miss extends ImageName {
  readonly times: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** A blob that a client is sending, over several requests. */
export interface UploadRecord {
  /** By which whoever sends it knows it: nobody else can guess it. */
  readonly id: string;
  readonly repository: RepositoryName;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
}

/** A blob that a cached manifest names and that its repository does not have; its size as the manifest claims it, in bytes. */
export interface MissingBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** Bytes whose digest was found right, here: how many, and in which file as far as that was noted. */
export interface CheckedContent {
  readonly size: number;
  readonly stamp: Stamp | undefined;
  /** Are they said to be here? */
  readonly isHere: boolean;
}

/** Some of what should be here. */
export interface StoredPage {
  readonly digests: readonly Digest[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: Digest | undefined;
}

/** How far a check of all that is stored is. */
export interface ScrubPlace {
  /** As {@link StoredPage.next}; undefined: at the beginning. */
  readonly after: Digest | undefined;
  /** Milliseconds since the epoch. */
  readonly begunAt: number;
}

/** Who may serve the bytes of a digest, and as what. */
export interface Owner {
  readonly repository: RepositoryName;
  readonly as: 'blob' | 'manifest';
}

/** A blob that a repository lacks, whichever of its cached manifests names it. */
export interface WantedBlob extends MissingBlob {
  readonly repository: RepositoryName;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

/** What is cached of one registry. Manifests count once for each repository that has them, blobs once; sizes in bytes, as they were verified. */
export interface Totals {
  readonly manifests: number;
  readonly manifestBytes: number;
  readonly blobs: number;
  readonly blobBytes: number;
}

/** A manifest of a repository, for people and policies. */
export interface ImageRecord {
  readonly repository: RepositoryName;
  readonly descriptor: Descriptor;
  /** In ASCII order. */
  readonly tags: readonly Tag[];
  /** Those of them that are pinned. */
  readonly pinned: ReadonlySet<Tag>;
  /** Of all that it leads to, each thing once, as manifests claim it; bytes. */
  readonly totalSize: number;
  /** What is stored for it alone, in bytes: only where that was asked for, and it leads to no more than is looked at. */
  readonly frees?: number | undefined;
  /** Blobs of its own that are not here. */
  readonly missing: number;
  readonly origin: Origin;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly usedAt: number;
}

/** A stored blob that is no manifest. */
export interface BlobRecord {
  readonly digest: Digest;
  /** As it was verified, in bytes; undefined: it was not since sizes are recorded. */
  readonly size: number | undefined;
  /** Manifests that name it, each repository's for itself; of more than some thousand not all. */
  readonly references: number;
}

/** Totals by registry, and of all: there what several have counts once. */
export interface AllTotals extends Totals {
  readonly registries: ReadonlyMap<RegistryHost, Totals>;
}
