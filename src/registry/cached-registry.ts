import type { Digest, Reference, RepositoryName, Tag } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  CallOptions,
  Descriptor,
  Manifest,
  Registry,
} from '../oci/registry.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { CachedBlobs } from './cached-blobs.ts';
import { CachedLists } from './cached-lists.ts';
import { CachedManifests } from './cached-manifests.ts';

/** A cache in front of one registry: what it has it serves, what it lacks it fetches once, for all who ask. */
export class CachedRegistry implements Registry {
  readonly #manifests: CachedManifests;
  readonly #blobs: CachedBlobs;
  readonly #lists: CachedLists;

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#manifests = new CachedManifests(upstream, policy, parts);
    this.#blobs = new CachedBlobs(upstream, policy, parts);
    this.#lists = new CachedLists(upstream, policy, parts);
  }

  async resolveManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Descriptor> {
    return await this.#manifests.resolve(repository, reference, options);
  }

  async getManifest(
    repository: RepositoryName,
    reference: Reference,
    options?: CallOptions,
  ): Promise<Manifest> {
    return await this.#manifests.get(repository, reference, options);
  }

  async resolveBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<BlobInfo> {
    return await this.#blobs.resolve(repository, digest, options);
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#blobs.get(repository, digest, options);
  }

  async listTags(repository: RepositoryName, options?: CallOptions): Promise<readonly Tag[]> {
    return await this.#lists.tags(repository, options);
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<readonly Descriptor[]> {
    return await this.#lists.referrers(repository, digest, options);
  }

  /** Fetches a blob into the store at nobody's request. */
  async complete(repository: RepositoryName, blob: Descriptor, signal?: AbortSignal): Promise<void> {
    await this.#blobs.complete(repository, blob, signal);
  }
}
