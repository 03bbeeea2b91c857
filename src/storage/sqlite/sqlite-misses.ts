import type { Database } from 'better-sqlite3';
import type { Reference, RepositoryName } from '../../oci/reference.ts';
import type { MissCursor } from '../inventory.ts';
import type { Miss } from '../records.ts';
import { preparing } from './statements.ts';

interface MissRow {
  readonly repository: string;
  readonly reference: string;
  readonly times: number;
  readonly first_at: number;
  readonly last_at: number;
  readonly is_here: 0 | 1;
}

/** Read at a time, with what is here by now of them. */
const sliceLength = 100;

/** What was missed, as it stands in the index. */
export class SqliteMisses {
  readonly #statements: ReturnType<typeof prepareMisses>;

  constructor(database: Database) {
    this.#statements = prepareMisses(database);
  }

  /** Undefined: a program has made the index that did not know of it, and none that does has opened it to write since. */
  static of(database: Database): SqliteMisses | undefined {
    return database.pragma('table_info(missed)', { simple: true }) === undefined
      ? undefined
      : new SqliteMisses(database);
  }

  /** Of some rows those that are still not here; `next`: where more are. */
  slice(after: MissCursor | undefined): { readonly misses: Miss[]; readonly next: MissCursor | undefined } {
    const { repository, reference } = after ?? { repository: '', reference: '' };
    const rows = this.#statements.missed.all(repository, reference, sliceLength);
    const misses = rows.filter(({ is_here }) => is_here === 0).map(missOf);
    const last = rows[sliceLength - 1];
    return { misses, next: last && missOf(last) };
  }
}

function missOf({ repository, reference, times, first_at, last_at }: MissRow): Miss {
  return {
    ...{ repository: repository as RepositoryName, reference: reference as Reference },
    ...{ times, firstAt: first_at, lastAt: last_at },
  };
}

/** A manifest is here when none of its blobs is lacking. */
const isWhole = `not exists (
  select 1 from children k join wanted w on w.content = k.child and w.repository = k.repository
  where k.repository = m.repository and k.manifest = m.content and k.is_manifest = 0)`;

export function prepareMisses(database: Database) {
  return {
    missed: preparing(database)<[string, string, number], MissRow>(
      `select page.*,
         exists (
           select 1 from repositories r cross join tags t on t.repository = r.id
           where r.name = page.repository and t.tag = page.reference)
         or exists (
           select 1 from repositories r cross join contents c cross join manifests m on m.repository = r.id and m.content = c.id
           where r.name = page.repository and c.digest = page.reference and ${isWhole}) as is_here
       from (
         select * from missed where (repository, reference) > ((select ?), (select ?))
         order by repository, reference limit ?) page
       order by page.repository, page.reference`,
    ),
  };
}
