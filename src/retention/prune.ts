import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';

/** What is to go. Names are `host/repository:tag`, else `host/repository@digest`; times in milliseconds since the epoch. */
export interface Selection {
  readonly matches?: ((name: string) => boolean) | undefined;
  readonly createdBefore?: number;
  readonly notUsedSince?: number;
  readonly keep?: number;
  readonly limit?: number;
}

/** An image that has gone, or would. `freed` in bytes. */
export interface Removed {
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly tags: readonly Tag[];
  readonly blobs: readonly Digest[];
  readonly freed: number;
}

export interface Pruner {
  prune(
    selection: Selection,
    options: { readonly dryRun: boolean; readonly signal?: AbortSignal },
  ): AsyncIterable<Removed>;
}
