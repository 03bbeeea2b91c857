import { abortable } from '../base/abortable.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobOptions, BlobReader, Registry, ResolveBlobOptions } from '../oci/registry.ts';
import type { CacheParts } from './cache-parts.ts';
import { isAbsent } from './memory/negative-cache.ts';

/** Of the manifests that name a blob so many are asked for at most. */
const maxManifests = 3;

/**
 * Blobs of an upstream that may itself be a cache and have a blob only after its manifest was pulled through it (ECR), while we
 * serve that manifest from disk. Where it lacks a blob that a cached manifest of the repository names, it is asked for that
 * manifest, each of its places if it has several, then for the blob again; for no other blob, so that made-up digests cost nothing.
 */
export class PromptedBlobs implements Pick<Registry, 'resolveBlob' | 'getBlob'> {
  readonly #upstream: Registry;
  readonly #parts: Pick<CacheParts, 'asked' | 'clock' | 'metadata'>;

  constructor(upstream: Registry, parts: Pick<CacheParts, 'asked' | 'clock' | 'metadata'>) {
    this.#upstream = upstream;
    this.#parts = parts;
  }

  async resolveBlob(
    repository: RepositoryName,
    digest: Digest,
    options: ResolveBlobOptions = {},
  ): Promise<BlobInfo> {
    return await this.#prompting(repository, digest, options, async () =>
      this.#upstream.resolveBlob(repository, digest, options),
    );
  }

  async getBlob(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    return await this.#prompting(repository, digest, options, async () =>
      this.#upstream.getBlob(repository, digest, options),
    );
  }

  async #prompting<Value>(
    repository: RepositoryName,
    digest: Digest,
    { signal }: BlobOptions,
    ask: () => Promise<Value>,
  ): Promise<Value> {
    const askedAt = this.#parts.clock.monotonic();
    try {
      return await ask();
    } catch (error) {
      if (!isAbsent(error)) throw error;
      if (!(await abortable(this.#prompt(repository, digest, askedAt), signal))) throw error;
      return await ask();
    }
  }

  /** Has upstream given a manifest that names the blob since? Throws why it could not, unless it lacks that too. */
  async #prompt(repository: RepositoryName, digest: Digest, since: number): Promise<boolean> {
    const { asked, metadata } = this.#parts;
    for (const manifest of await metadata.listManifestsOf(repository, digest, maxManifests)) {
      const { isGiven, error, at } = await asked.ask(
        repository,
        manifest,
        async () => await this.#askAll(repository, manifest),
      );
      if (isGiven) return at >= since;
      if (!isAbsent(error) && at >= since) throw error;
    }
    return false;
  }

  /** Throws the last place's error where none gives it: that is the registry itself. */
  async #askAll(repository: RepositoryName, manifest: Digest): Promise<void> {
    const places = this.#upstream.places ?? [this.#upstream];
    const answers = await Promise.allSettled(
      places.map(async (place) => await place.getManifest(repository, manifest)),
    );
    const last = answers.at(-1);
    if (last?.status === 'rejected' && answers.every(({ status }) => status === 'rejected'))
      throw last.reason;
  }
}
