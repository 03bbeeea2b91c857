import type { Database } from 'better-sqlite3';
import type { Turns } from '../../base/turns.ts';
import { preparing } from './statements.ts';

interface ChildRow {
  readonly child: number;
  readonly is_manifest: 0 | 1;
}

interface ParentRow {
  readonly repository: number;
  readonly manifest: number;
}

/** For one image so many rows are read at most. */
const maxRows = 20_000;

/** What an image leads to, each thing once: numbers of contents. */
interface Closure {
  readonly repository: number;
  readonly root: number;
  /** With the root. */
  readonly manifests: ReadonlySet<number>;
  readonly blobs: ReadonlySet<number>;
}

/** Who counts rows as they are read, and stops where they are too many. */
class Reading {
  readonly #turns: Turns;
  #left = maxRows;

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  /** Throws {@link TooMuch}. */
  async read<Row>(rows: readonly Row[]): Promise<readonly Row[]> {
    this.#left -= rows.length + 1;
    if (this.#left < 0) throw new TooMuch();
    if (this.#turns.isOver) await this.#turns.pass();
    return rows;
  }
}

class TooMuch extends Error {}

/**
 * How many stored bytes only one image leads to: what its removal would free. What another manifest names, what another tag points at, and what
 * another repository has of it too stays. What refers to it is an image of its own.
 */
export class FreedBytes {
  readonly #statements: ReturnType<typeof prepareFreed>;

  constructor(database: Database) {
    this.#statements = prepareFreed(database);
  }

  /** Undefined: it leads to more than is looked at. */
  async of(repository: number, root: number, turns: Turns): Promise<number | undefined> {
    try {
      return await this.#sum(await this.#closure(repository, root, new Reading(turns)), new Reading(turns));
    } catch (error) {
      if (error instanceof TooMuch) return undefined;
      throw error;
    }
  }

  async #closure(repository: number, root: number, reading: Reading): Promise<Closure> {
    const manifests = new Set([root]);
    const blobs = new Set<number>();
    // It grows meanwhile.
    for (const manifest of manifests) {
      const children = this.#statements.childrenOf.all(repository, manifest, maxRows);
      for (const { child, is_manifest } of await reading.read(children))
        (is_manifest === 1 ? manifests : blobs).add(child);
    }
    return { repository, root, manifests, blobs };
  }

  async #sum({ repository, root, manifests, blobs }: Closure, reading: Reading): Promise<number> {
    const freed = new Set(manifests);
    /** Another repository has them too. */
    const shared = new Set<number>();
    const isFree = async (content: number): Promise<boolean> => {
      const parents = this.#statements.parentsOf.all(content, manifests.size + 1);
      for (const { repository: owner, manifest } of await reading.read(parents))
        if (owner !== repository && manifests.has(manifest)) shared.add(manifest);
      return parents.every(({ repository: owner, manifest }) => owner === repository && freed.has(manifest));
    };
    for (let before = 0; before !== freed.size; ) {
      before = freed.size;
      for (const manifest of freed)
        if (!(await isFree(manifest)) || this.#isTagged(repository, manifest, root)) freed.delete(manifest);
    }
    let bytes = 0;
    for (const blob of blobs) if (await isFree(blob)) bytes += this.#sizeOf(blob);
    for (const manifest of freed) if (!shared.has(manifest)) bytes += this.#sizeOf(manifest);
    return bytes;
  }

  /** By a tag that is not the image's own. */
  #isTagged(repository: number, manifest: number, root: number): boolean {
    return manifest !== root && this.#statements.isTagged.get(repository, manifest) !== undefined;
  }

  #sizeOf(content: number): number {
    return this.#statements.storedSize.get(content)?.size ?? 0;
  }
}

export function prepareFreed(database: Database) {
  const prepared = preparing(database);
  return {
    childrenOf: prepared<[number, number, number], ChildRow>(
      'select child, is_manifest from children where repository = ? and manifest = ? limit ?',
    ),
    parentsOf: prepared<[number, number], ParentRow>(
      'select repository, manifest from children where child = ? limit ?',
    ),
    isTagged: prepared<[number, number], { found: 1 }>(
      'select 1 as found from tags where repository = ? and manifest = ? limit 1',
    ),
    storedSize: prepared<[number], { size: number | null }>(
      'select size from contents where id = ? and stored_at is not null',
    ),
  };
}
