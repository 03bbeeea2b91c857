import { algorithmOf, hexOf } from '../oci/digest.ts';
import {
  type Digest,
  isDigest,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '../oci/reference.ts';
import type { Manifest, Registry } from '../oci/registry.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { type CachedReferrers, referrersMs } from './cached-referrers.ts';
import { blobsOf, type CompletionJob } from './completion/completion-job.ts';
import { PutOffError } from './fills/put-off.ts';
import { isAbsent } from './memory/negative-cache.ts';
import { contentOf } from './memory/stored-manifests.ts';

/**
 * What cosign before version 3 attaches to an image: signatures, attestations, SBOMs, each under a tag made of the image's digest
 * (cosign "Signature Specification", "Storage").
 */
const cosignSuffixes = ['sig', 'att', 'sbom'];
/** What has more in its blobs is no signature and no list of parts. Bytes. */
const maxBlobBytes = 64 * 1024 * 1024;

/**
 * Brings what refers to served manifests: signatures, attestations, SBOMs, which clients ask for by themselves, and mostly not the one that
 * pulls. Referrers of referrers are not brought, nor the manifests of an index among them.
 */
export class CompletedReferrers {
  readonly #upstream: Registry;
  readonly #referrers: CachedReferrers;
  readonly #policy: CachePolicy;
  readonly #parts: Pick<CacheParts, 'manifests' | 'completer' | 'log'>;

  constructor(
    upstream: Registry,
    referrers: CachedReferrers,
    policy: CachePolicy,
    parts: Pick<CacheParts, 'manifests' | 'completer' | 'log'>,
  ) {
    this.#upstream = upstream;
    this.#referrers = referrers;
    this.#policy = policy;
    this.#parts = parts;
  }

  /** Asks for the list, whose referrers are handed in where it is read, and says where else some may be. */
  async find(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<CompletionJob[]> {
    this.#checkQuota();
    const elsewhere = cosignTags(repository, digest);
    try {
      await this.#referrers.refresh(repository, digest, signal);
    } catch (error) {
      // That there are none is the registry's to say alone; a mirror may have the tags.
      for (const tag of elsewhere) this.#parts.completer.once(tag, referrersMs);
      throw error;
    }
    return elsewhere;
  }

  /** Brings one referrer into the cache; its blobs are next. That a tag of cosign is not there is as usual. */
  async bring(
    repository: RepositoryName,
    reference: Reference,
    signal: AbortSignal,
  ): Promise<CompletionJob[]> {
    try {
      const digest = isDigest(reference)
        ? await this.#bringDigest(repository, reference, signal)
        : await this.#bringTag(repository, reference, signal);
      return digest === undefined ? [] : [blobsOf(repository, digest)];
    } catch (error) {
      if (!isDigest(reference) && isAbsent(error)) return [];
      throw error;
    }
  }

  async #bringDigest(
    repository: RepositoryName,
    digest: Digest,
    signal: AbortSignal,
  ): Promise<Digest | undefined> {
    const { manifests } = this.#parts;
    if ((await manifests.find(repository, digest)) !== undefined) return digest;
    const manifest = await this.#get(repository, digest, signal);
    if (manifest !== undefined) await manifests.keep(repository, manifest);
    return manifest?.descriptor.digest;
  }

  /** A HEAD each time, since signatures are added under the same tag. */
  async #bringTag(repository: RepositoryName, tag: Tag, signal: AbortSignal): Promise<Digest | undefined> {
    const { manifests } = this.#parts;
    this.#checkQuota();
    const asked = manifests.asking();
    const { digest } = await this.#upstream.resolveManifest(repository, tag, { signal });
    const manifest =
      (await manifests.find(repository, digest)) ?? (await this.#get(repository, digest, signal));
    if (manifest !== undefined) await manifests.keepTag(repository, manifest, tag, asked);
    return manifest?.descriptor.digest;
  }

  /** Undefined: it has more than is brought unasked. */
  async #get(repository: RepositoryName, digest: Digest, signal: AbortSignal): Promise<Manifest | undefined> {
    this.#checkQuota();
    const manifest = await this.#upstream.getManifest(repository, digest, { signal });
    const { blobs } = await contentOf(repository, manifest);
    const bytes = blobs.reduce((sum, { size }) => sum + size, 0);
    if (bytes <= maxBlobBytes) return manifest;
    this.#parts.log.info({ repository, digest, bytes }, 'a referrer is too large to be brought unasked');
    return undefined;
  }

  /** What is left of upstream's quota is for what clients ask for. */
  #checkQuota(): void {
    if (this.#policy.mayRevalidate?.() === false)
      throw new PutOffError('upstream quota is low', { isOfAll: true });
  }
}

function cosignTags(repository: RepositoryName, digest: Digest): CompletionJob[] {
  // A tag has no room for the digits of others.
  if (algorithmOf(digest) !== 'sha256') return [];
  return cosignSuffixes.map((suffix) => ({
    kind: 'referrer',
    repository,
    reference: parseTag(`sha256-${hexOf(digest)}.${suffix}`),
  }));
}
