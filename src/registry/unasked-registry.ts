import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import { hostOf, type RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobReader, Manifest, ReferrersList, Registry, TagList } from '../oci/registry.ts';

/** A registry that is asked in the name of clients alone, for whoever would ask it by himself. That it is not asked says nothing of what it has. */
export class UnaskedRegistry implements Registry {
  async resolveManifest(repository: RepositoryName): Promise<Descriptor> {
    throw unasked(repository);
  }

  async getManifest(repository: RepositoryName): Promise<Manifest> {
    throw unasked(repository);
  }

  async resolveBlob(repository: RepositoryName): Promise<BlobInfo> {
    throw unasked(repository);
  }

  async getBlob(repository: RepositoryName): Promise<BlobReader> {
    throw unasked(repository);
  }

  async listTags(repository: RepositoryName): Promise<TagList> {
    throw unasked(repository);
  }

  async listReferrers(repository: RepositoryName): Promise<ReferrersList> {
    throw unasked(repository);
  }
}

function unasked(repository: RepositoryName): RegistryError {
  return new RegistryError(
    'DENIED',
    `${hostOf(repository)} is asked in the name of its clients alone (authorization: passThrough), and no client asks`,
  );
}
