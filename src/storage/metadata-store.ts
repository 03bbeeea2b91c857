import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../oci/reference.ts';
import type { Changes, Operation } from './operation.ts';
import type {
  CheckedContent,
  FormerTag,
  KnownName,
  ListingRecord,
  MissingBlob,
  Owner,
  ScrubPlace,
  StoredPage,
  TagRecord,
  UploadRecord,
  WantedBlob,
} from './records.ts';

export interface TagPage {
  readonly last?: string | undefined;
  /** Default: all. */
  readonly limit?: number | undefined;
}

/**
 * What is known about the stored bytes: SQLite now, PostgreSQL later. It is an index: nothing in it is needed to
 * trust a blob, and a record whose blob is gone is a miss. Misses are undefined or empty, not errors. No answer takes longer
 * because more is cached.
 * Nobody who is served waits for a change: one may have to wait for another process's.
 */
export interface MetadataStore extends AsyncDisposable {
  /**
   * All of it in this order, in one transaction, or nothing: visible when it settles. A hundred operations at most, for nobody else has
   * a turn meanwhile. What many tags point at loses most of them before it is removed, in transactions of their own. Throws `StoreFullError`
   * where room is missing, `StoreBusyError` where it had to wait too long, or too much waits.
   * `locked` is called once when it waits for another process that has kept the index locked for 100 ms: it is kept meanwhile, and whoever
   * holds what others wait for lets go of it.
   */
  change(operations: readonly Operation[], locked?: () => void): Promise<void>;
  /** Settles when all that was changed before will survive a power cut, which else takes some tenths of a second. Rejects with the file error as it is. */
  durable(): Promise<void>;
  /** The end is near: for another process's lock nothing waits longer than some seconds any more. */
  hurry(): void;
  /** Tells of what other processes change, within a second, until disposed of. */
  watch(listener: (changes: Changes) => void): Disposable;

  /**
   * A manifest that names these has just come, and they will be asked for: what is known of each is found out for all at once, and nobody has to
   * ask the store for what it does not know until somebody brings it. Returns those that no cached manifest names, and of which nothing else is known. Never rejects: then
   * they are asked for one by one.
   */
  foresee(digests: readonly Digest[]): Promise<ReadonlySet<Digest>>;
  /** Without annotations, as everywhere but in {@link listReferrers}: they may be as large as the manifest. */
  getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined>;
  getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined>;
  /** Where the tag pointed before, the latest first; of one that moves often the last hundred. */
  listFormerTags(repository: RepositoryName, tag: Tag): Promise<readonly FormerTag[]>;
  /** The cached tags of a repository, in ASCII order; behind `last`, at most `limit`. */
  listTags(repository: RepositoryName, page?: TagPage): Promise<readonly Tag[]>;
  /** All names by which manifests are known, by repository, its tags first and in order, read in small slices. */
  listNames(): AsyncIterable<KnownName>;
  /** Repositories with at least one manifest, in ASCII order, after `last`, at most `limit`. */
  listRepositories(options: { last?: string | undefined; limit: number }): Promise<readonly RepositoryName[]>;
  /** The cached manifests of this repository whose subject is `digest`. */
  listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]>;
  /** The same, some at a time: in a fixed order, behind `after`, at most `limit` of some hundred. Fewer are the last. */
  pageReferrers(
    repository: RepositoryName,
    digest: Digest,
    page: { readonly after?: Digest | undefined; readonly limit: number },
  ): Promise<readonly Descriptor[]>;
  getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined>;
  getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined>;

  /** May this repository serve the blob, and is it here? Only after upstream itself said so for this repository. */
  hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean>;
  /** Is it here, and has any repository of this registry proved to own it? */
  hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean>;
  /** The size that the blob had when its digest was verified; undefined also for what was stored before sizes were recorded. */
  blobSize(digest: Digest): Promise<number | undefined>;
  /** The same, with the file whose bytes they were. */
  getChecked(digest: Digest): Promise<CheckedContent | undefined>;
  /** Of whose bytes it is known that they are here, in a fixed order behind `after`; `limit` of some hundred are looked at, and few of them may be here. */
  listStored(options: { after?: Digest | undefined; limit: number }): Promise<StoredPage>;
  /** As it was last noted. */
  getScrub(): Promise<ScrubPlace | undefined>;
  /** How what lies at this place of a directory beside ours was described when it was imported or refused; undefined: it was neither. */
  getTakenOver(place: string): Promise<string | undefined>;
  /** Behind what the walk of this name goes on; undefined: it begins. */
  getProgress(of: string): Promise<string | undefined>;
  /** Repositories that may serve the bytes of this digest, as a blob or as a manifest, at most `limit` of some hundred. `as`: the former alone, which is found by one look. */
  listOwners(digest: Digest, limit: number, as?: 'blob'): Promise<readonly Owner[]>;
  /** The sizes that cached manifests of this repository claim for the blob, each once, at most two: two contradict each other. */
  claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]>;
  /** Cached manifests of this repository that name the blob, the newest first, at most `limit` of some hundred. */
  listManifestsOf(repository: RepositoryName, digest: Digest, limit: number): Promise<readonly Digest[]>;
  /** Blobs that repositories lack, the newest first, behind `after`, at most `limit`. */
  listWantedBlobs(options: { after?: WantedBlob | undefined; limit: number }): Promise<readonly WantedBlob[]>;
  /** The blobs that this manifest names and its repository lacks, at most `limit`; undefined: it is not cached. */
  listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined>;

  getUpload(id: string): Promise<UploadRecord | undefined>;
  /** Those that were begun and not ended, by id, behind `after`, at most `limit` of some hundred. */
  listUploads(options: { after?: string | undefined; limit: number }): Promise<readonly UploadRecord[]>;
  countUploads(): Promise<number>;
}
