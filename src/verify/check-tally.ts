import type { Verdict } from './checked-file.ts';

/** Who had a file hashed: whoever asked for its blob, or the scrub. */
type By = 'read' | 'scrub';

export interface CheckCount {
  readonly by: By;
  readonly verdict: Verdict;
  readonly count: number;
}

/** How many files were hashed again in the life of this process, and what was found. */
export class CheckTally {
  readonly #counts = new Map<string, CheckCount>();

  add(by: By, verdict: Verdict): void {
    const key = `${by} ${verdict}`;
    const { count = 0 } = this.#counts.get(key) ?? {};
    this.#counts.set(key, { by, verdict, count: count + 1 });
  }

  all(): Iterable<CheckCount> {
    return this.#counts.values();
  }
}
