import { LRUCache } from 'lru-cache';
import type { Digest } from '../../oci/reference.ts';
import type { Changes } from '../operation.ts';

/** Of some hundred images that are just coming. One that is forgotten is looked up. */
const maxUnknown = 4096;

interface UnknownRow {
  readonly digest: string;
  /** Does a manifest name it? */
  readonly is_named: 0 | 1;
}

/**
 * Digests of whose bytes the index knew nothing when it was asked for all that a manifest names: no size, no owner. Nobody has to look again until
 * bytes come, whoever brings them.
 */
export class UnknownDigests {
  readonly #look: (digests: string) => readonly UnknownRow[];
  readonly #unknown = new LRUCache<Digest, true>({ max: maxUnknown });

  /** `look`: of a list as JSON those of whose bytes nothing is known. */
  constructor(look: (digests: string) => readonly UnknownRow[]) {
    this.#look = look;
  }

  /** Returns those of which nothing at all is known; none where the index cannot be read now. */
  foresee(digests: readonly Digest[]): ReadonlySet<Digest> {
    const rows = this.#rowsOf(digests);
    for (const { digest } of rows) this.#unknown.set(digest as Digest, true);
    return new Set(rows.filter(({ is_named }) => is_named === 0).map(({ digest }) => digest as Digest));
  }

  #rowsOf(digests: readonly Digest[]): readonly UnknownRow[] {
    try {
      return digests.length === 0 ? [] : this.#look(JSON.stringify(digests));
    } catch {
      return [];
    }
  }

  has(digest: Digest): boolean {
    return this.#unknown.has(digest);
  }

  /** Something of it is written, perhaps in vain. */
  delete(digest: Digest): void {
    this.#unknown.delete(digest);
  }

  /** Another process may have brought it. */
  forget(changes: Changes): void {
    if (changes === 'all') this.#unknown.clear();
    else for (const change of changes) if (change.kind === 'blob') this.delete(change.digest);
  }
}
