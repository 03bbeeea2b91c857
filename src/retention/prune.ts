import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** Which images are meant: all that it says holds of each. Nothing said: every image. Times in milliseconds since the epoch. */
export interface Selection {
  /** Of a name: `host/repository:tag`, else `host/repository@digest`. */
  readonly matches?: ((name: string) => boolean) | undefined;
  /** First cached before. */
  readonly createdBefore?: number;
  /** Not used since, or at that time at the latest. */
  readonly notUsedSince?: number;
  /** Beside the tags of each repository that came last: so many. */
  readonly keep?: number;
  /** No more than so many. */
  readonly limit?: number;
}

/** What has gone of one image, or would go. */
export interface Removed {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  /** Its tags that lead nowhere any more. Where others are left it is still there. */
  readonly tags: readonly Tag[];
  /** Has it gone itself? */
  readonly isGone: boolean;
  /** Those that nothing else names. */
  readonly blobs: readonly Digest[];
  /** Bytes, with those of manifests. */
  readonly freed: number;
}

export interface Pruner {
  /**
   * Removes what is selected, and tells of each image when it is gone. What is pinned stays; so does what refers to an image that stays
   * (a signature). Two may run at a time, in one process or in two, beside whoever serves. Throws the signal's reason, and the store's errors.
   */
  prune(
    selection: Selection,
    options: { readonly dryRun: boolean; readonly signal?: AbortSignal },
  ): AsyncIterable<Removed>;
}
