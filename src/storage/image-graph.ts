import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { ImageCursor } from './inventory.ts';

/** Where a page of roots ends: a place in their order, whatever has become of the one that was there. */
export interface Candidate extends ImageCursor {
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
}

/** A tag that leads to a manifest. Times in milliseconds since the epoch. */
export interface LeadingTag {
  readonly tag: Tag;
  readonly isPinned: boolean;
  /** When upstream said that it has no such tag. */
  readonly goneAt: number | undefined;
}

/** A manifest of a repository. Times in milliseconds since the epoch. */
export interface ImageNode extends ImageCursor {
  readonly createdAt: number;
  readonly usedAt: number;
  /** In ASCII order. */
  readonly tags: readonly LeadingTag[];
}

/** What a manifest names. */
export interface NamedContent {
  readonly digest: Digest;
  readonly isManifest: boolean;
}

/** Bytes that are known of, whether or not they are here. */
export interface KnownContent {
  /** As it was verified. */
  readonly size: number | undefined;
  /** Undefined: they are not here. Milliseconds since the epoch. */
  readonly storedAt: number | undefined;
}

/** What a manifest of the repository named that has gone. */
export interface LeavingContent {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** Those that were used on one day alone, and those that were used on two at least. */
export type Use = 'once' | 'repeated';

/** Bytes that were announced, and when whoever brings them should have named them. Milliseconds since the epoch. */
export interface AnnouncedContent {
  readonly digest: Digest;
  readonly until: number;
}

interface Page<Place> {
  readonly after?: Place | undefined;
  /** Some hundred at most. */
  readonly limit: number;
}

/** What leads to what: by it is told what may go. Read in pages; whoever removes something has it asked again by the operation. */
export interface ImageGraph {
  /**
   * Roots, the one that was used longest ago first: manifests that a tag points at, or that neither an index of their repository nor a
   * subject leads to; of all, or of those that were used so. Who evicts one asks again. Behind `after`, at most `limit` of some hundred. Fewer are the last.
   */
  roots(page: Page<Candidate> & { readonly use?: Use | undefined }): Promise<readonly Candidate[]>;
  node(repository: RepositoryName, digest: Digest): Promise<ImageNode | undefined>;
  /** Behind a digest. */
  named(repository: RepositoryName, digest: Digest, page: Page<Digest>): Promise<readonly NamedContent[]>;
  /** Manifests of the repository whose subject it is. */
  referrers(repository: RepositoryName, digest: Digest, page: Page<Digest>): Promise<readonly Digest[]>;
  /** Tags of the repository that begin like this, behind a tag. */
  tagsLike(
    repository: RepositoryName,
    prefix: string,
    page: Page<Tag>,
  ): Promise<readonly { tag: Tag; digest: Digest }[]>;
  /** Of the repository's tags those that came last. */
  newestTags(repository: RepositoryName, count: number): Promise<readonly Tag[]>;
  /** How much leads to a manifest of the repository: tags, indexes, its subject if that is there. */
  leads(repository: RepositoryName, digest: Digest): Promise<number>;
  /** How many manifests, of whatever repository, name it as a blob or are it; counted up to `most`. */
  uses(digest: Digest, most: number): Promise<number>;
  content(digest: Digest): Promise<KnownContent | undefined>;
  /** Is it leased or announced beyond `now`, so that its bytes stay for the time being? */
  isHeld(digest: Digest, now: number): Promise<boolean>;
  /** Of some hundred those that are here: do the totals count their bytes? What is nobody's, as what an import has just brought, they do not. */
  counted(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, boolean>>;
  /** What a repository named by manifests that have gone, and may still be here. */
  leaving(page: Page<LeavingContent>): Promise<readonly LeavingContent[]>;
  /** What should have been named by `now`; who removes it asks again. */
  announced(page: Page<AnnouncedContent> & { readonly now: number }): Promise<readonly AnnouncedContent[]>;
}
