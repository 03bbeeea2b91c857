import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { AllTotals, ImageRecord } from './records.ts';

/** Where a page of an inventory ends. */
export interface ImageCursor {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** Where a page of candidates ends: a place in their order, whatever has become of the one that was there. */
export interface Candidate extends ImageCursor {
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
}

/** What is there, for people and policies: pages of bounded size, and totals that are kept and not counted. Whoever walks lets others have their turn. */
export interface Inventory {
  totals(): Promise<AllTotals>;
  /** By repository, and there as they were first known; behind `after`, at most `limit` of some hundred. Fewer are the last. */
  images(options: { after?: ImageCursor | undefined; limit: number }): Promise<readonly ImageRecord[]>;
  /**
   * Roots, the one that was used longest ago first: manifests that a tag points at, or that neither an index of their repository nor a
   * subject leads to. Who evicts one asks again. Behind `after`, at most `limit` of some hundred. Fewer are the last.
   */
  candidates(options: { after?: Candidate | undefined; limit: number }): Promise<readonly Candidate[]>;
}
