import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';

/** A cache that is asked to keep what it is asked for. */
export interface LoadingRegistry extends Pick<Registry, 'getManifest' | 'listReferrers'> {
  /** Settles when the blob is stored; what is stored already is not asked for again. `size` in bytes. */
  bringBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: {
      readonly signal?: AbortSignal | undefined;
      readonly received?: ((bytes: number) => void) | undefined;
    },
  ): Promise<{ readonly size: number; readonly wasHere: boolean }>;
}
