import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import type { CachedBlobs } from './cached-blobs.ts';
import type { CompletedReferrers } from './completed-referrers.ts';
import type { CompletionJob } from './completion/completion-job.ts';
import { PutOffError } from './fills/put-off.ts';

/** Of one manifest. */
const maxBlobs = 1000;

/** The steps by which images of one registry are completed; which step comes when is the completer's matter. */
export class Completion {
  readonly #blobs: CachedBlobs;
  readonly #referrers: CompletedReferrers;
  readonly #policy: CachePolicy;
  readonly #parts: Pick<CacheParts, 'metadata'>;

  constructor(
    blobs: CachedBlobs,
    referrers: CompletedReferrers,
    policy: CachePolicy,
    parts: Pick<CacheParts, 'metadata'>,
  ) {
    this.#blobs = blobs;
    this.#referrers = referrers;
    this.#policy = policy;
    this.#parts = parts;
  }

  /** What is to be done next. Rejects with upstream's error, or the signal's reason. */
  async run(job: CompletionJob, signal: AbortSignal): Promise<readonly CompletionJob[]> {
    const { complete } = this.#policy;
    const { kind, repository, reference } = job;
    if (complete === false) return [];
    if (kind === 'blobs') return await this.#missing(repository, reference as Digest);
    if (kind === 'blob') await this.#blobs.complete(repository, reference as Digest, signal);
    if (kind === 'blob' || complete === true) return [];
    return kind === 'referrers'
      ? await this.#referrers.find(repository, reference as Digest, signal)
      : await this.#referrers.bring(repository, reference, signal);
  }

  async #missing(repository: RepositoryName, manifest: Digest): Promise<readonly CompletionJob[]> {
    const missing = await this.#parts.metadata.listMissingBlobs(repository, manifest, maxBlobs);
    if (missing === undefined) throw new PutOffError('the manifest is not stored yet');
    return missing.map(({ digest, size }) => ({ kind: 'blob', repository, reference: digest, size }));
  }
}
