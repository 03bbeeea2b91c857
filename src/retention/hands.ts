import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** Bytes that have gone. */
export interface FreedContent {
  readonly digest: Digest;
  readonly size: number;
}

/** What takes things away, or works out what would go. */
export interface Hands {
  /** Takes tags from a manifest, and the manifest with them where nothing else leads to it. False: it stays, or was not there. */
  drop(repository: RepositoryName, digest: Digest, tags: readonly Tag[]): Promise<boolean>;
  /** Of what a manifest of the repository named, and is gone, that which nothing needs: those whose bytes went. */
  discard(repository: RepositoryName, digests: readonly Digest[]): Promise<readonly FreedContent[]>;
}
