import { abortable } from '../abortable.ts';
import { isFresh } from '../cache/freshness.ts';
import { isAbsent } from '../cache/negative-cache.ts';
import { SingleFlight } from '../cache/single-flight.ts';
import { isIndex, parseManifest } from '../oci/manifest.ts';
import type { Outcome } from '../oci/outcome.ts';
import {
  type Digest,
  hostOf,
  isDigest,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts';
import type { CallOptions, Descriptor, Manifest, Registry } from '../oci/registry.ts';
import type { TagRecord } from '../storage/metadata-store.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { patiently, staleCause } from './stale.ts';

interface Found {
  readonly manifest: Manifest;
  readonly outcome: Outcome;
}

/** Manifests of one registry: from the cache, else from upstream once for all who ask; tags by their freshness. */
export class CachedManifests {
  readonly #upstream: Registry;
  readonly #policy: CachePolicy;
  readonly #parts: CacheParts;
  readonly #fills = new SingleFlight<string, Manifest>();
  readonly #checks = new SingleFlight<string, Found>();

  constructor(upstream: Registry, policy: CachePolicy, parts: CacheParts) {
    this.#upstream = upstream;
    this.#policy = policy;
    this.#parts = parts;
  }

  async resolve(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions = {},
  ): Promise<Descriptor> {
    const { manifest, outcome } = await this.#find(repository, reference, options);
    options.report?.(outcome);
    return manifest.descriptor;
  }

  async get(repository: RepositoryName, reference: Reference, options: CallOptions = {}): Promise<Manifest> {
    const { manifest, outcome } = await this.#find(repository, reference, options);
    options.report?.(outcome);
    this.#served(repository, manifest);
    return manifest;
  }

  async #find(repository: RepositoryName, reference: Reference, options: CallOptions): Promise<Found> {
    if (isDigest(reference)) return await this.#byDigest(repository, reference, options);
    return await this.#byTag(repository, reference, options);
  }

  async #byDigest(repository: RepositoryName, digest: Digest, options: CallOptions): Promise<Found> {
    const manifest = await this.#parts.manifests.find(repository, digest);
    if (manifest !== undefined) return { manifest, outcome: { kind: 'hit' } };
    return await this.#fill(repository, digest, options, async (filled) => {
      await this.#parts.manifests.keep(repository, filled);
    });
  }

  async #byTag(repository: RepositoryName, tag: Tag, options: CallOptions): Promise<Found> {
    const record = await this.#parts.manifests.findTag(repository, tag);
    if (record === undefined) return await this.#fillTag(repository, tag, options);
    if (!isFresh(this.#policy.freshness(repository, tag), record.checkedAt, this.#parts.clock.now())) {
      return await this.#revalidate(repository, record, options);
    }
    return await this.#byDigest(repository, record.descriptor.digest, options);
  }

  async #fillTag(repository: RepositoryName, tag: Tag, options: CallOptions): Promise<Found> {
    const { manifests, clock } = this.#parts;
    return await this.#fill(repository, tag, options, async (filled) => {
      await manifests.keepTag(repository, filled, tag, clock.now());
    });
  }

  /** One GET upstream for all who ask meanwhile; it outlives each of them. */
  async #fill(
    repository: RepositoryName,
    reference: Reference,
    options: CallOptions,
    keep: (manifest: Manifest) => Promise<void>,
  ): Promise<Found> {
    const key = `${repository} ${reference}`;
    options.report?.({ kind: 'hit' });
    this.#parts.absent.check(key);
    const collapsed = this.#fills.has(key);
    options.report?.({ kind: 'miss', collapsed });
    const fill = this.#fills.run(key, async () => {
      try {
        const manifest = await this.#upstream.getManifest(repository, reference);
        await keep(manifest);
        return manifest;
      } catch (error) {
        this.#parts.absent.note(key, error, this.#policy.negativeTtl);
        this.#parts.completer.noteFailure(hostOf(repository), error);
        throw error;
      }
    });
    return { manifest: await abortable(fill, options.signal), outcome: { kind: 'miss', collapsed } };
  }

  async #revalidate(repository: RepositoryName, record: TagRecord, options: CallOptions): Promise<Found> {
    const key = `${repository} ${record.tag}`;
    const unasked = this.#parts.resting.causeOf(key) ?? this.#spared();
    if (unasked !== undefined) return await this.#stale(repository, record, unasked, options);
    options.report?.({ kind: 'miss' });
    const check = this.#checks.run(key, async () => await this.#check(repository, record));
    try {
      return await patiently(check, this.#policy, this.#parts.clock, options.signal);
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isAbsent(error) ? this.#policy.onGone === 'notFound' : !this.#policy.staleIfError) throw error;
      const cause = staleCause(error);
      this.#parts.log.warn({ err: error, repository, tag: record.tag }, `serving a stale tag: ${cause}`);
      this.#parts.resting.add(key, cause);
      return await this.#stale(repository, record, cause, options);
    }
  }

  /** What is left of upstream's quota is for misses; where nothing stale may be served this is one. */
  #spared(): string | undefined {
    const { staleIfError, mayRevalidate } = this.#policy;
    return staleIfError && mayRevalidate?.() === false ? 'upstream quota is low' : undefined;
  }

  /** A HEAD; a GET only if the digest moved to one that is not cached. */
  async #check(repository: RepositoryName, record: TagRecord): Promise<Found> {
    const { manifests, clock } = this.#parts;
    try {
      const { digest } = await this.#upstream.resolveManifest(repository, record.tag);
      const found = await this.#announced(repository, record.tag, digest);
      const isSame = found.manifest.descriptor.digest === record.descriptor.digest;
      if (isSame && manifests.isStored(record)) manifests.touch(repository, record, clock.now());
      else await manifests.keepTag(repository, found.manifest, record.tag, clock.now());
      return found.outcome.kind === 'hit' ? { ...found, outcome: { kind: 'revalidated' } } : found;
    } catch (error) {
      this.#parts.completer.noteFailure(hostOf(repository), error);
      throw error;
    }
  }

  /** What a HEAD has announced; its tag's own bytes where upstream announces a digest that it does not know itself. */
  async #announced(repository: RepositoryName, tag: Tag, digest: Digest): Promise<Found> {
    try {
      return await this.#byDigest(repository, digest, {});
    } catch (error) {
      if (!isAbsent(error)) throw error;
      const manifest = await this.#upstream.getManifest(repository, tag);
      return { manifest, outcome: { kind: 'miss' } };
    }
  }

  async #stale(
    repository: RepositoryName,
    record: TagRecord,
    cause: string,
    options: CallOptions,
  ): Promise<Found> {
    const { manifest } = await this.#byDigest(repository, record.descriptor.digest, options);
    return { manifest, outcome: { kind: 'stale', cause } };
  }

  #served(repository: RepositoryName, { descriptor, bytes }: Manifest): void {
    this.#parts.uses.note(repository, descriptor.digest);
    if (!this.#policy.complete || isIndex(descriptor.mediaType)) return;
    const image = `${repository}@${descriptor.digest}`;
    if (this.#parts.completer.knows(image)) return;
    this.#parts.completer.add(image, repository, parseManifest(bytes, descriptor.mediaType).blobs);
  }
}
