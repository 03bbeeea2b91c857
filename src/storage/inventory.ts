import type { Digest, ImageName, RepositoryName } from '../oci/reference.ts';
import type { AllTotals, BlobRecord, ImageRecord, Miss } from './records.ts';

/** Where a page of an inventory ends. */
export interface ImageCursor {
  readonly repository: RepositoryName;
  readonly digest: Digest;
}

/** Where a page of what was missed ends. */
export type MissCursor = ImageName;

/** What is there, for people and policies: pages of bounded size, and totals that are kept and not counted. Whoever walks lets others have their turn. */
export interface Inventory {
  totals(): Promise<AllTotals>;
  /**
   * By repository, and there as they were first known; behind `after`, at most `limit` of some hundred. Fewer are the last. `weighs`: also what
   * removing each would free, which takes longer. `only`: those of this repository.
   */
  images(options: {
    after?: ImageCursor | undefined;
    only?: RepositoryName | undefined;
    limit: number;
    weighs?: boolean;
  }): Promise<readonly ImageRecord[]>;
  /** By digest, behind `after`, at most `limit` of some hundred. Fewer are the last. */
  blobs(options: { after?: Digest | undefined; limit: number }): Promise<readonly BlobRecord[]>;
  /**
   * What clients asked for across an air gap and is still not here, or lacks a blob; by repository and reference, behind `after`, at most
   * `limit`. Fewer are the last.
   */
  misses(options: { after?: MissCursor | undefined; limit: number }): Promise<readonly Miss[]>;
}
