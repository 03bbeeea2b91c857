import type { Descriptor } from '../oci/descriptor.ts';
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

/** One call of a registry, to be made of the one that is wrapped. */
export interface WrappedCall<Value, Options extends CallOptions> {
  readonly repository: RepositoryName;
  readonly asked: AskedFor;
  readonly options: Options | undefined;
  readonly of: (inner: Registry, options: Options | undefined) => Promise<Value>;
  /** Of what came of it and is given to nobody. Default: nothing is held by it. */
  readonly letGo?: (value: Value) => Promise<void>;
}

/** A registry around another: all of its calls go one way. */
export abstract class WrappingRegistry implements Registry {
  protected abstract call<Value, Options extends CallOptions>(
    call: WrappedCall<Value, Options>,
  ): Promise<Value>;

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: ResolveManifestOptions,
  ): Promise<Descriptor> {
    return await this.call({
      ...{ repository, asked: { kind: 'manifest', of: reference }, options },
      of: async (inner, own) => await inner.resolveManifest(repository, reference, own),
    });
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.call({
      ...{ repository, asked: { kind: 'manifest', of: reference }, options },
      of: async (inner, own) => await inner.getManifest(repository, reference, own),
    });
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options?: ResolveBlobOptions,
  ): Promise<BlobInfo> {
    return await this.call({
      ...{ repository, asked: { kind: 'blob', of: digest }, options },
      of: async (inner, own) => await inner.resolveBlob(repository, digest, own),
    });
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.call({
      ...{ repository, asked: { kind: 'blob', of: digest }, options },
      of: async (inner, own) => await inner.getBlob(repository, digest, own),
      letGo: async (reader) => await reader[Symbol.asyncDispose](),
    });
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.call({
      ...{ repository, asked: { kind: 'tags', of: '' }, options },
      of: async (inner, own) => await inner.listTags(repository, own),
    });
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.call({
      ...{ repository, asked: { kind: 'referrers', of: digest }, options },
      of: async (inner, own) => await inner.listReferrers(repository, digest, own),
    });
  }
}
