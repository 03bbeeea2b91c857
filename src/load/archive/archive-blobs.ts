import type { Clock } from '../../base/clock.ts';
import { maxSmallBlob } from '../../cache/memory/small-blobs.ts';
import { BlobHasher, DigestHasher, type VerifiedBlob, verifyWhole } from '../../oci/digest.ts';
import { Fault } from '../../oci/fault.ts';
import { type Digest, isDigestText } from '../../oci/reference.ts';
import { ContentAnnouncement } from '../../storage/content-announcement.ts';
import { type ContentStore, StoreBusyError, type StoredBlob } from '../../storage/content-store.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { noteArrival } from '../../storage/operation.ts';
import type { Spool, SpoolStore } from '../../storage/spool-store.ts';
import { isSameStamp } from '../../storage/stamp.ts';
import { LoadError } from '../load-error.ts';
import type { Tally } from '../tally.ts';
import type { ArchiveEntry } from './archive-entries.ts';

export interface ArchiveStores {
  readonly content: ContentStore;
  readonly spools: SpoolStore;
  readonly metadata: MetadataStore;
  readonly clock: Clock;
}

/** A blob that an archive had, in the store by now, with the stamp of its file if that was hashed. */
export interface ArchivedBlob extends StoredBlob {
  /** Its first bytes. */
  readonly head: Uint8Array;
}

/** A slow disk is waited for so long, by so many milliseconds at a time. */
const maxPauses = 120;
const pauseMs = 500;
const headBytes = 4;

/** By the path that it has in an OCI layout (image-spec "Image Layout"); undefined: another file. */
export function digestOfPath(path: string): Digest | undefined {
  const [, algorithm, hex] = /^blobs\/([a-z0-9]+)\/([0-9a-f]+)$/.exec(path) ?? [];
  const text = `${algorithm}:${hex}`;
  return isDigestText(text) ? text : undefined;
}

/**
 * Puts what archives have into the store, each blob hashed as it is read. Nobody has named it by then, so each is announced before; until disposed of none is
 * taken for left behind.
 */
export class ArchiveBlobs implements Disposable {
  readonly #stores: ArchiveStores;
  readonly #tally: Tally;
  readonly #signal: AbortSignal;
  readonly #announcement: ContentAnnouncement;

  constructor(stores: ArchiveStores, tally: Tally, signal: AbortSignal) {
    this.#stores = stores;
    this.#tally = tally;
    this.#signal = signal;
    this.#announcement = new ContentAnnouncement(stores);
  }

  /** To be awaited before whoever calls gives bytes of this digest their name in the store. */
  async announce(digest: Digest): Promise<void> {
    await this.#announcement.add(digest);
  }

  /**
   * Throws LoadError where its bytes are not those of its digest; undefined: whatever they are. What is here, verified, is not written again, and hashed all
   * the same: whoever made the archive says with it that he has these bytes, and may be given them.
   */
  async store(entry: ArchiveEntry, digest: Digest | undefined): Promise<ArchivedBlob> {
    if (digest !== undefined) await this.announce(digest);
    const here = digest && (await this.#here(digest, entry.size));
    if (here === undefined) return await this.#write(entry, digest);
    const hasher = new DigestHasher(here.digest);
    for await (const chunk of entry.body) {
      this.#signal.throwIfAborted();
      hasher.update(chunk);
    }
    verified(hasher, entry.path);
    this.#tally.present += here.size;
    return here;
  }

  async #write({ path, body }: ArchiveEntry, digest: Digest | undefined): Promise<ArchivedBlob> {
    const hasher = digest === undefined ? new BlobHasher() : new DigestHasher(digest);
    await using spool = await this.#stores.spools.begin();
    let at = 0;
    let head = new Uint8Array();
    for await (const chunk of body) {
      this.#signal.throwIfAborted();
      hasher.update(chunk);
      await this.#writeTo(spool, at, chunk);
      if (head.length < headBytes) head = Buffer.concat([head, chunk.subarray(0, headBytes)]);
      at += chunk.length;
      this.#tally.fetched += chunk.length;
    }
    const blob = verified(hasher, path);
    await this.announce(blob.digest);
    const stored = await this.#stores.content.put(spool, blob);
    // So that whoever reads the same archive after an interruption does not write it again.
    await this.#stores.metadata.change([noteArrival(blob.digest, blob.size, stored.stamp)]);
    return { ...stored, head };
  }

  async #here(digest: Digest, size: number): Promise<ArchivedBlob | undefined> {
    const { content, metadata } = this.#stores;
    const checked = await metadata.getChecked(digest);
    if (checked?.size !== size) return undefined;
    await using blob = await content.open(digest);
    if (blob?.size !== size) return undefined;
    // Changed, perhaps: here are its bytes. Of small ones it is not noted which file it was.
    const isSmall = size <= maxSmallBlob;
    if (!isSmall && blob.stamp !== undefined && !isSameStamp(blob.stamp, checked.stamp)) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read(isSmall ? undefined : { first: 0, last: headBytes - 1 }))
      chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    if (isSmall && !isRight(digest, bytes)) return undefined;
    return { digest, size, stamp: blob.stamp, head: bytes.subarray(0, headBytes) };
  }

  async #writeTo(spool: Spool, at: number, chunk: Uint8Array): Promise<void> {
    for (let pauses = 0; ; pauses += 1) {
      try {
        await spool.write(at, chunk);
        return;
      } catch (error) {
        if (!(error instanceof StoreBusyError) || pauses === maxPauses) throw error;
        await this.#stores.clock.sleep(pauseMs, this.#signal);
      }
    }
  }

  [Symbol.dispose](): void {
    this.#announcement[Symbol.dispose]();
  }
}

function isRight(digest: Digest, bytes: Uint8Array): boolean {
  try {
    verifyWhole(digest, bytes);
    return true;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return false;
  }
}

function verified(hasher: BlobHasher | DigestHasher, path: string): VerifiedBlob {
  try {
    return hasher.verify();
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new LoadError(`${JSON.stringify(path)}: ${error.message}`);
  }
}
