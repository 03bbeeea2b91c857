import type { Descriptor } from '../oci/descriptor.ts';
import { type ErrorCode, RegistryError } from '../oci/error.ts';
import { type Digest, imageText, type Reference, type RepositoryName, shownName } from '../oci/reference.ts';
import type { BlobInfo, BlobReader, Manifest, ReferrersList, Registry, TagList } from '../oci/registry.ts';

/** Told of each manifest that is asked for. Must be quick, must not throw. */
export type Missed = (repository: RepositoryName, reference: Reference) => void;

/** What is not here, in words. */
type Missing = (what: string) => string;

const acrossAirGap: Missing = (what) =>
  `${what} is not in the cache, and this registry is air-gapped: nothing is fetched`;

/** The upstream across an air gap, and of what lives here: it has nothing and nobody is asked. */
export class OfflineRegistry implements Registry {
  readonly #missed: Missed;
  readonly #words: Missing;

  constructor(missed: Missed = () => {}, words: Missing = acrossAirGap) {
    this.#missed = missed;
    this.#words = words;
  }

  static ofHosted(): OfflineRegistry {
    return new OfflineRegistry(undefined, (what) => `${what} is not here`);
  }

  async resolveManifest(repository: RepositoryName, reference: Reference): Promise<Descriptor> {
    return this.#missing(repository, reference);
  }

  async getManifest(repository: RepositoryName, reference: Reference): Promise<Manifest> {
    return this.#missing(repository, reference);
  }

  /** The cache asks for the manifests next that name it: those are what is missed. */
  async resolveBlob(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    throw this.#absent('BLOB_UNKNOWN', `the blob ${digest} of ${shownName(repository)}`);
  }

  async getBlob(repository: RepositoryName, digest: Digest): Promise<BlobReader> {
    throw this.#absent('BLOB_UNKNOWN', `the blob ${digest} of ${shownName(repository)}`);
  }

  async listTags(repository: RepositoryName): Promise<TagList> {
    throw this.#absent('NAME_UNKNOWN', shownName(repository));
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<ReferrersList> {
    throw this.#absent('NAME_UNKNOWN', `what refers to ${imageText({ repository, reference: digest })}`);
  }

  #missing(repository: RepositoryName, reference: Reference): never {
    this.#missed(repository, reference);
    throw this.#absent('MANIFEST_UNKNOWN', imageText({ repository, reference }));
  }

  #absent(code: ErrorCode, what: string): RegistryError {
    return new RegistryError(code, this.#words(what));
  }
}
