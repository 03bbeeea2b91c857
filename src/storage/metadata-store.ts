import type { Digest, RegistryHost, RepositoryName, Tag } from '../oci/reference.ts';
import type { Descriptor } from '../oci/registry.ts';

/** What a cached manifest is made of. Its bytes are a blob of their own. */
export interface ManifestRecord {
  readonly descriptor: Descriptor;
  /** Config and layers, to complete the image; without those that have `urls`. Empty for an index. */
  readonly blobs: readonly Descriptor[];
  /** The manifest this one refers to (image-spec "subject"). */
  readonly subject?: Digest | undefined;
}

/** What a tag pointed at when upstream was last asked. `checkedAt` in milliseconds since the epoch; 0: nothing vouches for it. */
export interface TagRecord {
  readonly tag: Tag;
  readonly descriptor: Descriptor;
  readonly checkedAt: number;
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

/** What is cached. Manifests count once for each repository that has them, blobs once; sizes in bytes. */
export interface StoreContent {
  readonly manifests: number;
  readonly manifestBytes: number;
  readonly blobs: number;
  /** A size that is not recorded is taken from manifests; of a blob that none names it is not known, and counts as 0. */
  readonly blobBytes: number;
}

/** A blob that a cached manifest names and that its repository does not have yet; its size as the manifest claims it, in bytes. */
export interface MissingBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** A cached manifest that names such a blob. */
export interface IncompleteManifest {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** When it was first put. Milliseconds since the epoch. */
  readonly createdAt: number;
}

/**
 * What is known about the stored bytes: SQLite now, PostgreSQL later. It is an index: nothing in it is needed to
 * trust a blob, and a record whose blob is gone is a miss. Misses are undefined or empty, not errors.
 * Throws `StoreFullError` where room is missing, `StoreBusyError` where what is to be written had to wait too long: nobody who is served waits for that.
 */
export interface MetadataStore extends AsyncDisposable {
  /** Without annotations, as everywhere but in {@link listReferrers}: they may be as large as the manifest. */
  getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined>;
  /** Also makes the manifest's own bytes and its place among its subject's referrers known. Idempotent. */
  putManifest(repository: RepositoryName, manifest: ManifestRecord): Promise<void>;
  /** Forgets one manifest of a repository and the tags that point at it. */
  deleteManifest(repository: RepositoryName, digest: Digest): Promise<boolean>;
  getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined>;
  /**
   * Replaces, unless the record that is there was checked later, and not in what is the future by today's clock. A `checkedAt` of 0,
   * which is no time, always replaces. The manifest it points at must have been put before.
   */
  putTag(repository: RepositoryName, record: TagRecord): Promise<void>;
  /** The cached tags of a repository, in ASCII order. */
  listTags(repository: RepositoryName): Promise<readonly Tag[]>;
  /** Every cached tag of every repository, ordered by repository and tag, read in small slices. */
  listAllTags(): AsyncIterable<TagRecord & { readonly repository: RepositoryName }>;
  /** Repositories with at least one manifest, in ASCII order, after `last`, at most `limit`. */
  listRepositories(options: { last?: string | undefined; limit: number }): Promise<readonly RepositoryName[]>;
  /** The cached manifests of this repository whose subject is `digest`. */
  listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]>;

  /** Upstream's tag list as last seen; one that was seen before takes no other's place. */
  getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined>;
  putTagList(repository: RepositoryName, list: ListingRecord<Tag>): Promise<void>;
  /** Upstream's referrers as last seen, in the same way. */
  getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined>;
  putReferrersList(
    repository: RepositoryName,
    digest: Digest,
    list: ListingRecord<Descriptor>,
  ): Promise<void>;

  /** May this repository serve the blob? True only after upstream itself said so for this repository. */
  hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean>;
  /** Has any repository of this registry proved to own the blob? */
  hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean>;
  /** `verified`: the blob's size in bytes, if its digest was found right just now. */
  linkBlob(repository: RepositoryName, digest: Digest, verified?: number): Promise<void>;
  /** Forgets a blob in every repository, because its bytes are gone; not its size, which is a fact. */
  unlinkBlob(digest: Digest): Promise<void>;
  /** The size that the blob had when its digest was verified; undefined also for what was stored before sizes were recorded. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /** The sizes that cached manifests of this repository claim for the blob, each once, at most two: two contradict each other. */
  claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]>;
  /** Cached manifests of this repository that name the blob, the newest first, at most `limit` of some hundred. */
  listManifestsOf(repository: RepositoryName, digest: Digest, limit: number): Promise<readonly Digest[]>;
  /** Manifests that name blobs which are not linked, the newest first, behind `after`, at most `limit`. */
  listIncompleteManifests(options: {
    after?: IncompleteManifest | undefined;
    limit: number;
  }): Promise<readonly IncompleteManifest[]>;
  /** The blobs that this manifest names and that are not linked, at most `limit`; undefined: it is not cached. */
  listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined>;

  /** Counts what is cached, in small slices: what changes meanwhile may count or not. */
  countContent(): Promise<StoreContent>;

  /** When manifests were last served: batched, off the hot path. */
  recordUse(uses: readonly Use[]): Promise<void>;
}
