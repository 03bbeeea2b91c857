import type { Descriptor } from '../oci/descriptor.ts';
import { type ErrorCode, RegistryError } from '../oci/error.ts';
import { type Digest, imageText, type Reference, type RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobReader, Manifest, ReferrersList, Registry, TagList } from '../oci/registry.ts';

/** Told of each manifest that is asked for. Must be quick, must not throw. */
export type Missed = (repository: RepositoryName, reference: Reference) => void;

/** The upstream across an air gap: it has nothing and is never asked. */
export class OfflineRegistry implements Registry {
  readonly #missed: Missed;

  constructor(missed: Missed = () => {}) {
    this.#missed = missed;
  }

  async resolveManifest(repository: RepositoryName, reference: Reference): Promise<Descriptor> {
    return this.#missing(repository, reference);
  }

  async getManifest(repository: RepositoryName, reference: Reference): Promise<Manifest> {
    return this.#missing(repository, reference);
  }

  /** The cache asks for the manifests next that name it: those are what is missed. */
  async resolveBlob(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    throw missing('BLOB_UNKNOWN', `the blob ${digest} of ${repository}`);
  }

  async getBlob(repository: RepositoryName, digest: Digest): Promise<BlobReader> {
    throw missing('BLOB_UNKNOWN', `the blob ${digest} of ${repository}`);
  }

  async listTags(repository: RepositoryName): Promise<TagList> {
    throw missing('NAME_UNKNOWN', repository);
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<ReferrersList> {
    throw missing('NAME_UNKNOWN', `what refers to ${imageText({ repository, reference: digest })}`);
  }

  #missing(repository: RepositoryName, reference: Reference): never {
    this.#missed(repository, reference);
    throw missing('MANIFEST_UNKNOWN', imageText({ repository, reference }));
  }
}

function missing(code: ErrorCode, what: string): RegistryError {
  return new RegistryError(
    code,
    `${what} is not in the cache, and this registry is air-gapped: nothing is fetched`,
  );
}
