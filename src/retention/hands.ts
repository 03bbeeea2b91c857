import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** Bytes that have gone. */
export interface FreedContent {
  readonly digest: Digest;
  readonly size: number;
}

/** What has become of a manifest and the tags that were to go with it. */
export interface Dropped {
  /** False: it stays, or was not there. */
  readonly isGone: boolean;
  /** Those that lead nowhere any more: of what stays somebody may have pinned one. */
  readonly tags: readonly Tag[];
}

/** What takes things away, or works out what would go. */
export interface Hands {
  /** Takes tags from a manifest, and the manifest with them where nothing else leads to it. */
  drop(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<Dropped>;
  /** Of what a manifest of the repository named, and is gone, that which nothing needs: those whose bytes went. */
  discard(repository: RepositoryName, digests: readonly Digest[]): Promise<readonly FreedContent[]>;
}
