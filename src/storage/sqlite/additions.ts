import type { Database } from 'better-sqlite3';

/** A table, or a column of one that was there, which the schema has gained since its version was first written. */
interface Addition {
  readonly table: string;
  readonly column?: string;
  /** SQL that makes it. A column may be null or has a default, for earlier programs of the same version write rows without it. */
  readonly make: string;
}

/** In their order. Earlier programs of the same version see nothing of them, and go on beside this one and after it. */
const additions: readonly Addition[] = [
  {
    table: 'scrub',
    // One row: behind which digest a check of all that is stored goes on, null at its beginning.
    make: `create table scrub (id integer primary key check (id = 0), after_digest text, begun_at integer not null)`,
  },
];

/** Makes those that the index lacks. Writes nothing where there is nothing to do: the disk may be full. */
export function addMissing(database: Database, wanted = additions): void {
  const missing = (): readonly Addition[] => wanted.filter((addition) => !has(database, addition));
  if (missing().length === 0) return;
  // Another process may have been first.
  const make = (): void => missing().forEach(({ make }) => void database.exec(make));
  database.transaction(make).immediate();
}

function has(database: Database, { table, column }: Addition): boolean {
  const columns = database.pragma(`table_info(${table})`) as readonly { readonly name: string }[];
  return column === undefined ? columns.length > 0 : columns.some(({ name }) => name === column);
}
