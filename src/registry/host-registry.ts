import type { Descriptor } from '../oci/descriptor.ts';
import {
  type Digest,
  hostOf,
  type Reference,
  type RegistryHost,
  type RepositoryName,
} from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';

/** Many registries as one: the host in front of a repository's name says which. `of` throws DENIED for one it will not serve. */
export class HostRegistry implements Registry {
  readonly #of: (host: RegistryHost) => Registry;

  constructor(of: (host: RegistryHost) => Registry) {
    this.#of = of;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Descriptor> {
    return await this.#of(hostOf(repository)).resolveManifest(repository, reference, options);
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#of(hostOf(repository)).getManifest(repository, reference, options);
  }

  async resolveBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<BlobInfo> {
    return await this.#of(hostOf(repository)).resolveBlob(repository, digest, options);
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#of(hostOf(repository)).getBlob(repository, digest, options);
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#of(hostOf(repository)).listTags(repository, options);
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.#of(hostOf(repository)).listReferrers(repository, digest, options);
  }
}
