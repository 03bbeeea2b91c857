import type { Upstream } from '../bench-upstream.ts';
import type { Point, Series } from './point.ts';

/** Something that grows while the rest stays as it is. */
export interface Dimension {
  /** A heading. */
  readonly title: string;
  /** What each point is of: what there was, and what was done. */
  readonly about: string;
  /** Below the axis. */
  readonly axis: string;
  readonly isBytes?: true;
  /** What is drawn; those of `costSeries` come behind. */
  readonly series: readonly Series[];
  /** From the least to the most. */
  measure(upstream: Upstream): AsyncGenerator<Point>;
}
