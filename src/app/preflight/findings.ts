import type { Problem } from '../../config/problem.ts';

export interface Findings {
  /** With these it does not start. */
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
}
