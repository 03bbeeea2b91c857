import type { VerifiedBlob } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { ByteRange } from '../oci/registry.ts';

/** A blob that is stored whole. `size` in bytes. */
export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
}

/** A stored blob, open: it can be read to its end even if it is deleted meanwhile. */
export interface OpenBlob extends StoredBlob, AsyncDisposable {
  /**
   * May be called several times. A chunk is valid until the next one is asked for (its buffer is reused).
   * Without a range the whole blob. Throws {@link BlobUnreadableError} when it cannot be read, or turns out shorter than its size,
   * after `failed` was told so.
   */
  read(range?: ByteRange, failed?: (error: unknown) => void): AsyncIterable<Uint8Array>;
}

/**
 * Bytes by digest: files now, S3 later. Manifests are blobs too. What is not committed is invisible to `stat`,
 * `open` and `list`. Every method throws {@link StoreFullError} where room is missing, other I/O errors as they are.
 */
export interface BlobStore {
  /** A miss is undefined, not an error; what cannot be one is a miss too. */
  stat(digest: Digest): Promise<StoredBlob | undefined>;
  /** Throws {@link BlobUnreadableError} where something lies in the place of a blob and cannot be read as one. */
  open(digest: Digest): Promise<OpenBlob | undefined>;
  /** Starts writing. Several writers of one digest may run at once (other processes): each has its own partial file. */
  begin(digest: Digest): Promise<BlobWriter>;
  /** True if there was something to delete. */
  delete(digest: Digest): Promise<boolean>;
  list(): AsyncIterable<StoredBlob>;
}

/** A blob on its way in. Disposed without commit it is discarded. */
export interface BlobWriter extends AsyncDisposable {
  /** Bytes that `read` can see. */
  readonly length: number;
  /**
   * Appends; one call at a time. The chunks may be reused when the promise settles. Keeps to the pace of the disk, so that
   * little is left to do in the end; throws {@link StoreBusyError} when that is too slow.
   */
  write(...chunks: readonly Uint8Array[]): Promise<void>;
  /** Reads what is already written, while more is being written. `last` < `length`. Chunks as in {@link OpenBlob.read}. */
  read(range: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * Settles when the blob is visible and will survive a power cut. Syncs are batched, and nothing here bounds how many wait for
   * them: who calls admits so many at a time, and clients wait there. Until disposed the writer can still be read from.
   */
  commit(blob: VerifiedBlob): Promise<StoredBlob>;
  /** Says that it will not be committed: a write that waits for the disk fails. Until disposed it can still be read from. */
  giveUp(): void;
}

/** The store has no room (ENOSPC, EDQUOT, a quota). Reads go on, writes may be tried again later. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** The store takes nothing more for now: too much of what it has taken is not durable yet. */
export class StoreBusyError extends Error {
  override readonly name = 'StoreBusyError';
}

/** This one blob cannot be read, whatever the reason: the right bytes may take its place. */
export class BlobUnreadableError extends Error {
  override readonly name = 'BlobUnreadableError';
}
