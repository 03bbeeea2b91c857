import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { AllTotals, ImageRecord } from './records.ts';

/** Where a page of an inventory ends. */
export interface ImageCursor {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** What is there, for people and policies: pages of bounded size, and totals that are kept and not counted. */
export interface Inventory {
  totals(): Promise<AllTotals>;
  /** By repository, and there as they were first known; behind `after`, at most `limit` of some hundred. */
  images(options: { after?: ImageCursor | undefined; limit: number }): Promise<readonly ImageRecord[]>;
  /**
   * Roots, the one that was used longest ago first: manifests that a tag points at, or that neither an index of their repository nor a
   * subject leads to. Who evicts one asks again. At most `limit` of some hundred.
   */
  candidates(limit: number): Promise<readonly ImageCursor[]>;
}
