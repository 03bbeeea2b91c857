import type { Digest } from '../oci/reference.ts';
import type { Owner } from '../storage/records.ts';

/**
 * What was found: `wrong`: bytes of another digest, or too few or too many, which nobody finds any more; `missing`: the index said that it is here, and
 * says so no more; `unreadable`: the disk does not give it, for now.
 */
export type Verdict = 'right' | 'wrong' | 'missing' | 'unreadable';

/** One file of the store, after it was looked at. `size` in bytes, of what was read. */
export interface CheckedFile {
  readonly digest: Digest;
  readonly verdict: Verdict;
  readonly size: number;
  /** Who may serve it; of what is right nobody asks. Empty: nobody, and it is no loss. */
  readonly owners: readonly Owner[];
  /** Where what is wrong is kept. */
  readonly kept?: string | undefined;
  /** What keeps it from being read. */
  readonly cause?: unknown;
}
