import type { Digest, Reference, RepositoryName } from '../oci/reference.ts';
import type { Registry } from '../oci/registry.ts';

/** What of a repository is asked for, whatever is to be done with it. `of`: its tag or digest; '' where there is one alone. */
export interface AskedFor {
  readonly kind: 'manifest' | 'blob' | 'tags' | 'referrers';
  readonly of: string;
}

/** Asks for as little as shows whether it is given. Rejects with what the registry answers. */
export async function askFor(
  registry: Registry,
  repository: RepositoryName,
  { kind, of }: AskedFor,
): Promise<void> {
  switch (kind) {
    case 'manifest':
      await registry.resolveManifest(repository, of as Reference);
      break;
    case 'blob':
      await registry.resolveBlob(repository, of as Digest);
      break;
    case 'tags':
      await registry.listTags(repository, { n: 1 });
      break;
    case 'referrers':
      await registry.listReferrers(repository, of as Digest);
      break;
  }
}
