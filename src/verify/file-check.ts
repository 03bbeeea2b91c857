import { DigestHasher } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import {
  BlobUnreadableError,
  type ContentStore,
  type OpenBlob,
  type StoredBlob,
} from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { loseBlob, noteCheck, type Operation } from '../storage/operation.ts';
import { isSameStamp } from '../storage/stamp.ts';
import type { ByteRate } from './byte-rate.ts';
import type { CheckedFile } from './checked-file.ts';

/** A file may be replaced while it is read, by the right one: then that is looked at, so often. */
const maxLooks = 3;
/** They are named, and asked for it again. */
const maxOwners = 100;

export interface FileCheckParts {
  readonly content: ContentStore;
  readonly metadata: MetadataStore;
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

/**
 * Hashes files of the store, one at a time, and sees to it that nobody finds what is wrong: it is put aside, and the index says that it is lost. Whose it
 * was stays known, so that it is fetched again.
 */
export class FileCheck {
  readonly #parts: FileCheckParts;
  readonly #rate: ByteRate;

  constructor(parts: FileCheckParts, rate: ByteRate) {
    this.#parts = parts;
    this.#rate = rate;
  }

  /** Undefined: it was removed meanwhile, as it should be. Rejects with the signal's reason, and where the index cannot be changed. */
  async look(digest: Digest, signal: AbortSignal): Promise<CheckedFile | undefined> {
    for (let look = 1; ; look += 1) {
      const found = await this.#look(digest, signal);
      if (found === undefined) return undefined;
      const isGone = found.verdict === 'wrong' || found.verdict === 'missing';
      if (!isGone || found.kept !== undefined || look === maxLooks) return found;
      // It could not be moved, or another has its place by now.
      if ((await this.#parts.content.stat(digest)) === undefined) return found;
    }
  }

  async #look(digest: Digest, signal: AbortSignal): Promise<CheckedFile | undefined> {
    try {
      await using blob = await this.#parts.content.open(digest);
      if (blob === undefined) return await this.#missing(digest);
      const isRight = await this.#isRight(blob, signal);
      return isRight ? await this.#right(blob) : await this.#wrong(blob);
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      return { digest, verdict: 'unreadable', size: 0, owners: await this.#ownersOf(digest), cause: error };
    }
  }

  /** By its digest alone: what is known of its size may be wrong as well. */
  async #isRight(blob: OpenBlob, signal: AbortSignal): Promise<boolean> {
    const hasher = new DigestHasher(blob.digest);
    if (blob.size > 0) {
      for await (const chunk of blob.read()) {
        hasher.update(chunk);
        await this.#rate.did(chunk.length, signal);
        signal.throwIfAborted();
      }
    }
    return hasher.isRight;
  }

  /** Written where it is news. */
  async #right({ digest, size, stamp }: StoredBlob): Promise<CheckedFile> {
    const known = await this.#parts.metadata.getChecked(digest);
    const isNews = known?.size !== size || (stamp !== undefined && !isSameStamp(stamp, known.stamp));
    if (isNews && stamp !== undefined) await this.#parts.metadata.change([noteCheck(digest, size, stamp)]);
    return { digest, verdict: 'right', size, owners: [] };
  }

  /** Whoever removes an image says so in the index. */
  async #missing(digest: Digest): Promise<CheckedFile | undefined> {
    const known = await this.#parts.metadata.getChecked(digest);
    return known?.isHere === true ? await this.#lost(digest, 'missing') : undefined;
  }

  async #wrong(blob: StoredBlob): Promise<CheckedFile> {
    const kept = await this.#parts.content.setAside(blob);
    return { ...(await this.#lost(blob.digest, 'wrong', blob)), size: blob.size, kept };
  }

  /** To find out whose it is takes a while: the right one may have come meanwhile, and is not lost. */
  async #lost(digest: Digest, verdict: 'wrong' | 'missing', wrong?: StoredBlob): Promise<CheckedFile> {
    const owners = await this.#ownersOf(digest);
    const there = await this.#parts.content.stat(digest);
    if (there !== undefined && !isSameFile(there, wrong)) return { digest, verdict, size: 0, owners: [] };
    const operations = [loseBlob(digest, verdict)];
    await this.#parts.metadata.change(operations);
    this.#parts.changed(operations);
    return { digest, verdict, size: 0, owners };
  }

  async #ownersOf(digest: Digest): Promise<CheckedFile['owners']> {
    return await this.#parts.metadata.listOwners(digest, maxOwners);
  }
}

function isSameFile(one: StoredBlob, other: StoredBlob | undefined): boolean {
  return one.stamp === undefined ? other !== undefined : isSameStamp(one.stamp, other?.stamp);
}
