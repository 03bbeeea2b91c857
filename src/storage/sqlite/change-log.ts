import { randomBytes } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import type { Digest, RepositoryName, Tag } from '../../oci/reference.ts';
import type { Change, Changes } from '../operation.ts';
import { sliceRows } from './slices.ts';
import { type ChangeRow, preparing } from './statements.ts';

/** Who has missed more has to forget all that it remembers. */
const maxKept = 10_000;
/** They are counted only now and then. */
const countedEvery = 1000;

/** What was changed, by which process: the latest changes, numbered. Asking whether there is news costs some microseconds. */
export class ChangeLog {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #writer = randomBytes(8).toString('hex');
  #version: number;
  #seen: number;
  #isBehind = false;

  constructor(database: Database) {
    this.#statements = prepare(database);
    this.#version = this.#dataVersion();
    this.#seen = this.#last();
  }

  /** Inside the transaction that makes the change. */
  add(kind: Change['kind'], repository: RepositoryName | undefined, reference: Digest | Tag | string): void {
    const added = this.#statements.add.run(this.#writer, kind, repository ?? null, reference);
    const sequence = Number(added.lastInsertRowid);
    if (sequence % countedEvery === 0) this.#statements.forget.run(sequence - maxKept);
  }

  /** Is there more than was told? */
  get isBehind(): boolean {
    return this.#isBehind;
  }

  /**
   * What others have changed since it was last asked; where it is much, the first of it. SQLite counts the commits of other connections, and other
   * things that they do: that it has moved is a hint. Throws SQLite's error; then nothing is missed, and is told the next time.
   */
  news(): Changes {
    const written = this.#last();
    const version = this.#dataVersion();
    if (version === this.#version && !this.#isBehind) {
      // All of it is our own, however much.
      this.#seen = written;
      return [];
    }
    const rows = this.#statements.list.all(this.#seen, sliceRows);
    const [first, last] = [rows[0], rows.at(-1)];
    // Not before they were read: that may fail, and they would be nobody's news.
    this.#version = version;
    const hasGap = first !== undefined && first.sequence > this.#seen + 1;
    this.#isBehind = !hasGap && rows.length === sliceRows;
    if (last === undefined) return [];
    this.#seen = hasGap ? Math.max(written, last.sequence) : last.sequence;
    return hasGap ? 'all' : rows.filter(({ writer }) => writer !== this.#writer).map(changeOf);
  }

  #last(): number {
    return this.#statements.last.get()?.sequence ?? 0;
  }

  #dataVersion(): number {
    return this.#statements.dataVersion.get()?.data_version ?? 0;
  }
}

function prepare(database: Database) {
  const prepared = preparing(database);
  return {
    add: prepared<[string, string, string | null, string]>(
      'insert into changes (writer, kind, repository, reference) values (?, ?, ?, ?)',
    ),
    forget: prepared<[number]>('delete from changes where sequence <= ?'),
    last: prepared<[], { sequence: number }>('select coalesce(max(sequence), 0) as sequence from changes'),
    list: prepared<[number, number], ChangeRow>(
      'select sequence, writer, kind, repository, reference from changes where sequence > ? order by sequence limit ?',
    ),
    dataVersion: prepared<[], { data_version: number }>('pragma data_version'),
  };
}

function changeOf({ kind, repository, reference }: ChangeRow): Change {
  switch (kind) {
    case 'tag':
      return { kind, repository: repository as RepositoryName, tag: reference as Tag };
    case 'manifest':
      return { kind, repository: repository as RepositoryName, digest: reference as Digest };
    case 'blob':
      return { kind, digest: reference as Digest };
  }
}
