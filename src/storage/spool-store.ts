import type { Digest } from '../oci/reference.ts';
import type { ByteRange } from '../oci/registry.ts';
import type { Ranges } from './ranges.ts';

/** What is meant to become of a spool: the blob, by whose word its bytes came, and its size as far as anybody has said it. Bytes. */
export interface SpoolNote {
  readonly digest: Digest;
  /** Bytes that came by one registry's word are continued by nobody else's. */
  readonly scope: string;
  readonly size: number | undefined;
}

/**
 * Bytes on their way, before anybody knows whether they are right: of a fill, of an upload. They are invisible until
 * {@link ContentStore.put} took them, and gone when the spool is disposed of before, unless they were kept.
 */
export interface SpoolStore {
  /** Throws {@link StoreFullError}, other I/O errors as they are. */
  begin(): Promise<Spool>;
  /**
   * What was kept of this blob by this scope, by this process or by one that has ended; it is the caller's from now on, and gone when he
   * disposes of it and has not kept it again. Waits, for some seconds at most, for what is being kept. Costs nothing where there is none. Never rejects.
   */
  reopen(note: Pick<SpoolNote, 'digest' | 'scope'>): Promise<Spool | undefined>;
  /** The end is near: for what is kept the disk is not waited for any longer than some tenths of a second, all together. */
  hurry(): void;
}

export interface Spool extends AsyncDisposable {
  /** Which bytes can be read. */
  readonly ranges: Ranges;
  /**
   * Writes from byte `at` on, where nothing is yet, or the same bytes once more: calls may overlap in time, not in bytes. The chunks may be reused when the promise
   * settles. Keeps to the pace of the disk, so that little is left to do in the end; throws {@link StoreBusyError} when that is too slow,
   * {@link StoreFullError} when nothing is left that is kept and could make room, and an Error once it is kept or was put.
   */
  write(at: number, ...chunks: readonly Uint8Array[]): Promise<void>;
  /** Reads what is already written, while more is being written. Chunks as in {@link OpenBlob.read}. */
  read(range: ByteRange): AsyncIterable<Uint8Array>;
  /**
   * Says what it is meant for, so that what is on the disk can be gone on with after the process has ended, however it did. Again when
   * more is known of it. One that was reopened is marked as it was kept.
   */
  mark(note: SpoolNote): void;
  /**
   * Nothing is written any more; settles when what is there waits for whoever reopens it, if it was marked and is worth it. Waits for
   * what is being written, and seconds for its turn at the disk. Not where a write or sync has failed, whose bytes nobody can be sure of. It
   * can be read until it is disposed of. Never rejects.
   */
  keep(): Promise<void>;
  /** Says that it will not be put: a write that waits for the disk fails. Until disposed it can still be read from. */
  giveUp(): void;
}
