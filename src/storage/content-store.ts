import type { VerifiedBlob } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { ByteRange } from '../oci/registry.ts';
import type { Spool } from './spool-store.ts';
import type { Stamp } from './stamp.ts';

/** A blob that is stored whole. `size` in bytes. */
export interface StoredBlob {
  readonly digest: Digest;
  readonly size: number;
  /** Of its file. Absent: nobody else can change its bytes, or it is not told. */
  readonly stamp?: Stamp | undefined;
}

/** A stored blob, open: it can be read to its end even if it is deleted meanwhile. */
export interface OpenBlob extends StoredBlob, AsyncDisposable {
  /**
   * May be called several times. A chunk is valid until the next one is asked for (its buffer is reused).
   * Without a range the whole blob. Throws {@link BlobUnreadableError} when it cannot be read, or turns out shorter than its size,
   * after `failed` was told so. `isTrusted`: nobody hashes them: the last chunk is given where nobody has written to the file since it was opened, else
   * throws {@link WrongBytesError}, which `failed` is not told.
   */
  read(range?: ByteRange, failed?: (error: unknown) => void, isTrusted?: boolean): AsyncIterable<Uint8Array>;
}

/**
 * Finished bytes by digest: files now, S3 later. Manifests are blobs too. What was not put is invisible. Every method throws
 * {@link StoreFullError} where room is missing, other I/O errors as they are.
 */
export interface ContentStore {
  /** A miss is undefined, not an error; what cannot be one is a miss too. */
  stat(digest: Digest): Promise<StoredBlob | undefined>;
  /** Throws {@link BlobUnreadableError} where something lies in the place of a blob and cannot be read as one. */
  open(digest: Digest): Promise<OpenBlob | undefined>;
  /**
   * Makes what was spooled a blob: settles when it is visible and will survive a power cut. Syncs are batched, and nothing here bounds
   * how many wait for them: who calls admits so many at a time, and clients wait there. Until disposed the spool can still be read
   * from. Throws where it has not exactly the blob's bytes, without holes.
   */
  put(spool: Spool, blob: VerifiedBlob): Promise<StoredBlob>;
  /** The same for bytes that are in memory whole, which nobody changes meanwhile. */
  keep(blob: VerifiedBlob, bytes: Uint8Array): Promise<StoredBlob>;
  /**
   * Its bytes were found wrong: nobody finds it any more, unless it is another by now. Returns where it is kept for whoever wants to know what became
   * of it, for a while; undefined: nowhere. Never rejects: what cannot be moved stays.
   */
  setAside(wrong: StoredBlob): Promise<string | undefined>;
  /**
   * Makes a plain file that lies elsewhere a blob by a second name for the same bytes, which `verify` has hashed by then. Undefined: it cannot have one here, and
   * has to be copied. Throws what `verify` does, {@link BlobUnreadableError} for what is no plain file or changes meanwhile, file errors as they are. Absent: no
   * blob here is a file.
   */
  adopt?(
    path: string,
    verify: (bytes: AsyncIterable<Uint8Array>) => Promise<VerifiedBlob>,
  ): Promise<StoredBlob | undefined>;
  /** True if there was something to delete. */
  delete(digest: Digest): Promise<boolean>;
  list(): AsyncIterable<StoredBlob>;
}

/** The store has no room (ENOSPC, EDQUOT, a quota). Reads go on, writes may be tried again later. */
export class StoreFullError extends Error {
  override readonly name: string = 'StoreFullError';
}

/** A file may not be so large (EFBIG): no room of others helps. */
export class FileTooLargeError extends StoreFullError {
  override readonly name = 'FileTooLargeError';
}

/** The store takes nothing more for now: too much of what it has taken is not durable yet. */
export class StoreBusyError extends Error {
  override readonly name = 'StoreBusyError';
}

/** This one blob cannot be read, whatever the reason: the right bytes may take its place. */
export class BlobUnreadableError extends Error {
  override readonly name: string = 'BlobUnreadableError';
}

/** It can be read, and its bytes are not those of its digest. */
export class WrongBytesError extends BlobUnreadableError {
  override readonly name = 'WrongBytesError';

  constructor(message = 'its bytes are not those of its digest') {
    super(message);
  }
}
