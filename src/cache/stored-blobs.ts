import { LRUCache } from 'lru-cache';
import { digestLike } from '../oci/digest.ts';
import { resolveRange } from '../oci/range.ts';
import { readerOfBytes } from '../oci/reader-of-bytes.ts';
import { type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type { BlobReader, RangeSpec } from '../oci/registry.ts';
import { BlobUnreadableError, type OpenBlob, type StoredBlob } from '../storage/content-store.ts';
import type { CacheParts } from './cache-parts.ts';
import { maxSmallBlob } from './memory/small-blobs.ts';

/** A disk may be damaged as a whole; one that is forgotten is found again. */
const maxUnreadable = 10_000;

type Parts = Pick<CacheParts, 'content' | 'links' | 'log' | 'metadata' | 'sizes' | 'small' | 'tasks'>;

/**
 * Blobs in the store, as far as they are what was verified: a file of another size is damaged, and none. It stays where it is
 * until the right bytes take its place, since by the time that somebody would delete it they may be there. A small one is read and hashed
 * whole, and once: from then on it is in memory.
 */
export class StoredBlobs {
  readonly #parts: Parts;
  /**
   * Could not be read when somebody looked after this moment, and are none until they were fetched again. Their links stay: what
   * may be the fault of a whole disk for a while is no reason to forget whose they are.
   */
  readonly #unreadable = new LRUCache<Digest, number>({ max: maxUnreadable });

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    const known = this.#parts.small.get(digest);
    if (known !== undefined) return { digest, size: known.length };
    if (this.#isUnreadable(digest)) return undefined;
    const verified = await this.#parts.sizes.verified(digest);
    const stored = await this.#parts.content.stat(digest);
    return stored !== undefined && isWhole(stored, verified) ? stored : undefined;
  }

  /** Has some repository of the registry shown to own it, and is it here? */
  async isOnHost(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const isLinked = await this.#parts.metadata.hasBlobOnHost(hostOf(repository), digest);
    return isLinked && (await this.stat(digest)) !== undefined;
  }

  /** Undefined where it is not linked for this repository; links of what is gone are forgotten. Throws RANGE_INVALID. */
  async open(
    repository: RepositoryName,
    digest: Digest,
    range: RangeSpec | undefined,
  ): Promise<BlobReader | undefined> {
    const { links, small, tasks } = this.#parts;
    if (!(await links.has(repository, digest))) return undefined;
    const known = small.get(digest);
    if (known !== undefined) return readerOfBytes(digest, known, range);
    if (this.#isUnreadable(digest)) return undefined;
    const since = links.now();
    try {
      const blob = await this.#open(digest);
      if (blob !== undefined && blob.size <= maxSmallBlob)
        return readerOfBytes(digest, await this.#readSmall(blob), range);
      if (blob !== undefined)
        return await readerOf(blob, range, (error) => this.#failed(digest, error, since));
      // No client waits for the index: it is known at once.
      tasks.run('unlinking a blob', async () => await links.lose(digest, since));
      return undefined;
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      this.#failed(digest, error, since);
      return undefined;
    }
  }

  /** Throws BlobUnreadableError. */
  async #readSmall(opened: OpenBlob): Promise<Uint8Array> {
    await using blob = opened;
    const bytes = Buffer.allocUnsafeSlow(blob.size);
    let length = 0;
    for await (const chunk of blob.read()) {
      bytes.set(chunk, length);
      length += chunk.length;
    }
    if (digestLike(blob.digest, bytes) !== blob.digest)
      throw new BlobUnreadableError('its bytes are not those of its digest');
    this.#parts.small.put(blob.digest, bytes);
    return bytes;
  }

  #isUnreadable(digest: Digest): boolean {
    const since = this.#unreadable.get(digest);
    return since !== undefined && !this.#parts.links.hasComeSince(digest, since);
  }

  #failed(digest: Digest, error: unknown, since: number): void {
    if (!(error instanceof BlobUnreadableError)) return;
    this.#unreadable.set(digest, since);
    this.#parts.log.error({ err: error, digest }, 'a cached blob cannot be read: fetching it again');
  }

  async #open(digest: Digest): Promise<OpenBlob | undefined> {
    const { content, log, sizes } = this.#parts;
    const verified = await sizes.verified(digest);
    const blob = await content.open(digest);
    if (blob === undefined || isWhole(blob, verified)) return blob;
    log.error({ digest, size: blob.size, verified }, 'a cached blob is damaged on disk: fetching it again');
    await blob[Symbol.asyncDispose]();
    return undefined;
  }
}

/** Of what was stored before sizes were recorded nothing is known that would contradict it. */
function isWhole({ size }: StoredBlob, verified: number | undefined): boolean {
  return verified === undefined || size === verified;
}

async function readerOf(
  blob: OpenBlob,
  spec: RangeSpec | undefined,
  failed: (error: unknown) => void,
): Promise<BlobReader> {
  try {
    const range = spec === undefined ? undefined : resolveRange(spec, blob.size);
    return {
      digest: blob.digest,
      size: blob.size,
      isVerified: true,
      range,
      body: blob.read(range, failed),
      [Symbol.asyncDispose]: async () => await blob[Symbol.asyncDispose](),
    };
  } catch (error) {
    await blob[Symbol.asyncDispose]();
    throw error;
  }
}
