import type { Descriptor } from '../oci/descriptor.ts';
import { RegistryError } from '../oci/error.ts';
import type { Digest, Reference, RepositoryName } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Manifest,
  ReferrersList,
  Registry,
  ResolveBlobOptions,
  ResolveManifestOptions,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import type { AskedFor } from './asked-for.ts';

/** Told of an error that a registry has answered with, before whoever asked is. Must not throw. */
export type TellOfError = (
  repository: RepositoryName,
  asked: AskedFor,
  error: RegistryError,
) => Promise<void>;

/** A registry of whose errors somebody else is told first. */
export class TellingRegistry implements Registry {
  readonly #inner: Registry;
  readonly #tell: TellOfError;

  constructor(inner: Registry, tell: TellOfError) {
    this.#inner = inner;
    this.#tell = tell;
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor> {
    return await this.#call(repository, { kind: 'manifest', of: reference }, async (inner) =>
      inner.resolveManifest(repository, reference, options),
    );
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#call(repository, { kind: 'manifest', of: reference }, async (inner) =>
      inner.getManifest(repository, reference, options),
    );
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    return await this.#call(repository, { kind: 'blob', of: digest }, async (inner) =>
      inner.resolveBlob(repository, digest, options),
    );
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#call(repository, { kind: 'blob', of: digest }, async (inner) =>
      inner.getBlob(repository, digest, options),
    );
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#call(repository, { kind: 'tags', of: '' }, async (inner) =>
      inner.listTags(repository, options),
    );
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.#call(repository, { kind: 'referrers', of: digest }, async (inner) =>
      inner.listReferrers(repository, digest, options),
    );
  }

  async #call<Value>(
    repository: RepositoryName,
    asked: AskedFor,
    call: (inner: Registry) => Promise<Value>,
  ): Promise<Value> {
    try {
      return await call(this.#inner);
    } catch (error) {
      if (error instanceof RegistryError) await this.#tell(repository, asked, error);
      throw error;
    }
  }
}
