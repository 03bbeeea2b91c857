import type { Digest } from '../oci/reference.ts';

/**
 * Where bytes lie that were discarded, until nobody can want them back. What is moved there is moved at once, while the index is locked for
 * the change that says so: whoever has put the same bytes meanwhile is found out by their times, and his stay.
 */
export interface DiscardedContent {
  /** `left`: they came here at `before` or later (milliseconds since the epoch), or cannot be moved, and stay. Never throws. */
  take(digest: Digest, before: number): 'taken' | 'absent' | 'left';
  /** Puts them back where others have not come since. True: bytes are in their place now, these or others. Never throws. */
  restore(digest: Digest): boolean;
}

/** A file that was discarded. */
export interface DiscardedFile {
  readonly name: string;
  readonly digest: Digest;
}

/** The same files, for whoever removes them in the end. */
export interface DiscardedFiles {
  /** What lies there now, at most so many. */
  list(limit: number): Promise<readonly DiscardedFile[]>;
  /** False: it cannot be removed now, and lies there until somebody looks next. Never rejects. */
  remove(file: DiscardedFile): Promise<boolean>;
  /** What the file system would have back with a stored file: nothing of one that has another name, or that cannot be looked at. Bytes. Never rejects. */
  frees(digest: Digest): Promise<number>;
}
