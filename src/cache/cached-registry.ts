import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest, Reference, RepositoryName, Tag } from '../oci/reference.ts';
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
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { type Bringing, type Brought, CachedBlobs } from './cached-blobs.ts';
import { CachedManifests, type Refreshed } from './cached-manifests.ts';
import { CachedReferrers } from './cached-referrers.ts';
import { CachedTags } from './cached-tags.ts';
import { CompletedReferrers } from './completed-referrers.ts';
import type { CompletionJob } from './completion/completion-job.ts';
import { Completion } from './completion.ts';

/** A cache in front of one registry: what it has it serves, what it lacks it fetches once, for all who ask. */
export class CachedRegistry implements Registry {
  readonly #manifests: CachedManifests;
  readonly #blobs: CachedBlobs;
  readonly #tags: CachedTags;
  readonly #referrers: CachedReferrers;
  readonly #completion: Completion;

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#manifests = new CachedManifests(upstream, policy, parts);
    this.#blobs = new CachedBlobs(upstream, policy, parts);
    this.#tags = new CachedTags(upstream, policy, parts);
    this.#referrers = new CachedReferrers(upstream, policy, parts);
    const referrers = new CompletedReferrers(upstream, this.#referrers, policy, parts);
    this.#completion = new Completion(this.#blobs, referrers, policy, parts);
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

  /** Asks upstream where a tag points, however fresh it is. Throws what upstream answers. */
  async refresh(repository: RepositoryName, tag: Tag): Promise<Refreshed> {
    return await this.#manifests.refresh(repository, tag);
  }

  /** Upstream may have the tag by now: that it had none is forgotten. */
  mayHave(repository: RepositoryName, tag: Tag): void {
    this.#manifests.mayHave(repository, tag);
  }

  async resolveBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<BlobInfo> {
    return await this.#blobs.resolve(repository, digest, options);
  }

  async getBlob(repository: RepositoryName, digest: Digest, options?: BlobOptions): Promise<BlobReader> {
    return await this.#blobs.get(repository, digest, options);
  }

  async listTags(repository: RepositoryName, options?: TagListOptions): Promise<TagList> {
    return await this.#tags.list(repository, options);
  }

  async listReferrers(
    repository: RepositoryName,
    digest: Digest,
    options?: CallOptions,
  ): Promise<ReferrersList> {
    return await this.#referrers.list(repository, digest, options);
  }

  /** As {@link CachedBlobs.bring}. */
  async bringBlob(repository: RepositoryName, digest: Digest, options: Bringing = {}): Promise<Brought> {
    return await this.#blobs.bring(repository, digest, options);
  }

  /** A step of completing an image, at nobody's request; what is to be done next. */
  async complete(job: CompletionJob, signal: AbortSignal): Promise<readonly CompletionJob[]> {
    return await this.#completion.run(job, signal);
  }
}
