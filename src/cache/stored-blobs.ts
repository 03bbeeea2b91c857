import { LRUCache } from 'lru-cache';
import { digestLike } from '../oci/digest.ts';
import { resolveRange } from '../oci/range.ts';
import { readerOfBytes } from '../oci/reader-of-bytes.ts';
import { type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type { BlobInfo, BlobOptions, BlobReader, ByteRange, RangeSpec } from '../oci/registry.ts';
import {
  BlobUnreadableError,
  type OpenBlob,
  type StoredBlob,
  WrongBytesError,
} from '../storage/content-store.ts';
import type { CheckedContent } from '../storage/records.ts';
import { isSameStamp } from '../storage/stamp.ts';
import type { Doubted } from '../verify/blob-checks.ts';
import { heldBack } from '../verify/held-back.ts';
import type { CacheParts, CachePolicy } from './cache-parts.ts';
import { maxSmallBlob } from './memory/small-blobs.ts';

/** A disk may be damaged as a whole; one that is forgotten is found again. */
const maxUnreadable = 10_000;

type Parts = Pick<
  CacheParts,
  'checks' | 'content' | 'links' | 'log' | 'metadata' | 'sizes' | 'small' | 'tasks'
>;

/** A file that is open, for whoever asked. */
interface Opened extends Doubted {
  readonly blob: OpenBlob;
}

/**
 * Blobs in the store, as far as they are what was verified. A file that is not the one whose bytes were hashed, by all that tells it without reading it,
 * is hashed again before its last byte is given, and one that has other bytes is none. A small one is read and hashed whole, and once: from then on
 * it is in memory.
 */
export class StoredBlobs {
  readonly #parts: Parts;
  readonly #verifiesAlways: boolean;
  /**
   * Could not be read when somebody looked after this moment, and are none until they were fetched again. Their links stay: what
   * may be the fault of a whole disk for a while is no reason to forget whose they are.
   */
  readonly #unreadable = new LRUCache<Digest, number>({ max: maxUnreadable });

  constructor(parts: Parts, { verifiesAlways = false }: Pick<CachePolicy, 'verifiesAlways'> = {}) {
    this.#parts = parts;
    this.#verifiesAlways = verifiesAlways;
  }

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    const known = this.#parts.small.get(digest);
    if (known !== undefined) return { digest, size: known.length, isVerified: true };
    if (this.#isUnreadable(digest)) return undefined;
    const checked = await this.#parts.sizes.checked(digest);
    const stored = await this.#parts.content.stat(digest);
    if (stored === undefined || !isWhole(stored, checked)) return undefined;
    const isVerified = isSmall(stored) || isOf(checked, stored) || (await this.#isUnchanged(stored));
    return { digest, size: stored.size, isVerified };
  }

  /** Has some repository of the registry shown to own it, and is it here? */
  async isOnHost(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const isLinked = await this.#parts.metadata.hasBlobOnHost(hostOf(repository), digest);
    return isLinked && (await this.stat(digest)) !== undefined;
  }

  /**
   * Undefined where it is not linked for this repository, or not here: links of what is gone are forgotten. A part of what may have changed waits until
   * all of it was hashed. Throws RANGE_INVALID.
   */
  async open(
    repository: RepositoryName,
    digest: Digest,
    { range, signal }: Pick<BlobOptions, 'range' | 'signal'>,
  ): Promise<BlobReader | undefined> {
    const { checks, links, small, tasks } = this.#parts;
    if (!(await links.has(repository, digest))) return undefined;
    const known = small.get(digest);
    if (known !== undefined) return readerOfBytes(digest, known, range);
    if (this.#isUnreadable(digest)) return undefined;
    const since = links.now();
    try {
      const checked = await this.#parts.sizes.checked(digest);
      const blob = await this.#parts.content.open(digest);
      // No client waits for the index: it is known at once.
      if (blob === undefined)
        tasks.run('unlinking a blob', async () => await links.lose(digest, since, 'missing'));
      else return await this.#readerOf({ blob, repository, since }, checked, range, signal);
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      // What is wrong is gone when it is looked for again.
      if (error instanceof WrongBytesError) await checks.settled();
      else this.#failed(digest, error, since);
    }
    return undefined;
  }

  async #readerOf(
    opened: Opened,
    checked: CheckedContent | undefined,
    spec: RangeSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader | undefined> {
    const { blob } = opened;
    if (!isWhole(blob, checked)) return await this.#torn(opened);
    if (isSmall(blob)) return readerOfBytes(blob.digest, await this.#readSmall(opened), spec);
    const isTrusted = !this.#verifiesAlways && (isOf(checked, blob) || (await this.#isUnchanged(blob)));
    if (isTrusted) return await this.#reader(opened, spec);
    return await this.#checkedReader(opened, spec, signal);
  }

  /** It cannot be right. */
  async #torn(opened: Opened): Promise<undefined> {
    await opened.blob[Symbol.asyncDispose]();
    this.#parts.checks.foundWrong(opened);
    throw new WrongBytesError('it has not the size that was verified');
  }

  /** Is it the file that another process has written meanwhile, and hashed? Where the index cannot be read nobody knows. */
  async #isUnchanged(stored: StoredBlob): Promise<boolean> {
    const byNow = await this.#parts.sizes.checkedByNow(stored.digest).catch(() => undefined);
    return isWhole(stored, byNow) && isOf(byNow, stored);
  }

  /** Throws BlobUnreadableError. */
  async #readSmall(opened: Opened): Promise<Uint8Array> {
    await using blob = opened.blob;
    const bytes = Buffer.allocUnsafeSlow(blob.size);
    let length = 0;
    for await (const chunk of blob.read()) {
      bytes.set(chunk, length);
      length += chunk.length;
    }
    if (digestLike(blob.digest, bytes) !== blob.digest) {
      this.#parts.checks.foundWrong(opened);
      throw new WrongBytesError();
    }
    this.#parts.small.put(blob.digest, bytes);
    return bytes;
  }

  async #reader(opened: Opened, spec: RangeSpec | undefined): Promise<BlobReader> {
    const { blob } = opened;
    try {
      const { digest, size } = blob;
      const range = spec === undefined ? undefined : resolveRange(spec, size);
      const body = blob.read(range, this.#failing(opened), true);
      const close = async (): Promise<void> => await blob[Symbol.asyncDispose]();
      return { digest, size, isVerified: true, range, body, [Symbol.asyncDispose]: close };
    } catch (error) {
      await blob[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Undefined: another file has its place by now. */
  async #checkedReader(
    opened: Opened,
    spec: RangeSpec | undefined,
    signal: AbortSignal | undefined,
  ): Promise<BlobReader | undefined> {
    const { blob } = opened;
    await using held = new AsyncDisposableStack();
    held.use(blob);
    const range = spec === undefined ? undefined : resolveRange(spec, blob.size);
    if (isPart(range, blob)) {
      if (!(await this.#parts.checks.whole(opened, this.#verifiesAlways, signal))) return undefined;
      held.move();
      return await this.#reader(opened, spec);
    }
    const { check } = held.use(this.#parts.checks.join(opened, this.#verifiesAlways));
    const body = heldBack(blob.read(undefined, this.#failing(opened), true), check);
    held.defer(async () => void (await body.return(undefined)));
    // What fails before the first byte fails while the blob can still be fetched.
    const first = await body.next();
    const open = held.move();
    return {
      ...{ digest: blob.digest, size: blob.size, isVerified: check.isRight, range },
      body: continued(first, body),
      [Symbol.asyncDispose]: async () => await open.disposeAsync(),
    };
  }

  #isUnreadable(digest: Digest): boolean {
    const since = this.#unreadable.get(digest);
    return since !== undefined && !this.#parts.links.hasComeSince(digest, since);
  }

  #failing({ blob, since }: Opened): (error: unknown) => void {
    return (error) => this.#failed(blob.digest, error, since);
  }

  #failed(digest: Digest, error: unknown, since: number): void {
    if (!(error instanceof BlobUnreadableError)) return;
    this.#unreadable.set(digest, since);
    this.#parts.log.error({ err: error, digest }, 'a cached blob cannot be read: fetching it again');
  }
}

function isSmall({ size }: StoredBlob): boolean {
  return size <= maxSmallBlob;
}

/** Of what was stored before sizes were recorded nothing is known that would contradict it. */
function isWhole({ size }: StoredBlob, checked: CheckedContent | undefined): boolean {
  return checked === undefined || size === checked.size;
}

/** Is it the very file that was hashed, as far as can be told without reading it? */
function isOf(checked: CheckedContent | undefined, { stamp }: StoredBlob): boolean {
  return stamp === undefined || isSameStamp(stamp, checked?.stamp);
}

function isPart(range: ByteRange | undefined, { size }: StoredBlob): boolean {
  return range !== undefined && (range.first > 0 || range.last + 1 < size);
}

async function* continued(
  first: IteratorResult<Uint8Array, unknown>,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  if (first.done !== true) yield first.value;
  yield* rest;
}
