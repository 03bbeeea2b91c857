import type { Database } from 'better-sqlite3';

/** A table, or a column of one that was there, which the schema has gained since its version was first written. */
interface Addition {
  readonly table: string;
  readonly column?: string;
  /** SQL that makes it, and nothing else. A column may be null or has a default, for earlier programs of the same version write rows without it. */
  readonly make: string;
  /** What makes it fast: its indexes, and what SQLite is to think of it. */
  readonly tune?: string;
}

/** In their order. Earlier programs of the same version see nothing of them, and go on beside this one and after it. */
const additions: readonly Addition[] = [
  {
    table: 'leases',
    make: `
      create table leases (
        content integer not null,
        holder text not null,
        until integer not null,
        primary key (content, holder)
      ) without rowid`,
    // With the index that tells whether bytes are a manifest of any repository.
    tune: `
      create index leases_until on leases (until);
      create index manifests_content on manifests (content);
      insert into sqlite_stat1 (tbl, idx, stat) values
        ('leases', 'leases', '10000 1 1'),
        ('leases', 'leases_until', '10000 10 1 1'),
        ('manifests', 'manifests_content', '1000000 2 1');
      analyze sqlite_schema;`,
  },
  {
    // Manifests that were used on two days at least.
    table: 'repeated_uses',
    make: `
      create table repeated_uses (
        repository integer not null,
        content integer not null,
        primary key (repository, content),
        foreign key (repository, content) references manifests (repository, content) on delete cascade
      ) without rowid`,
    tune: `
      insert into sqlite_stat1 (tbl, idx, stat) values ('repeated_uses', 'repeated_uses', '100000 100 1');
      analyze sqlite_schema;`,
  },
  {
    // What manifests named that have gone: perhaps nobody needs it any more.
    table: 'leaving',
    make: `
      create table leaving (
        repository integer not null,
        content integer not null,
        primary key (repository, content)
      ) without rowid`,
    tune: `
      insert into sqlite_stat1 (tbl, idx, stat) values ('leaving', 'leaving', '10000 100 1');
      analyze sqlite_schema;`,
  },
  // What clients asked for across an air gap and was not here. Names stand as they were asked for: a stranger's make no repositories.
  {
    table: 'missed',
    make: `
      create table missed (
        repository text not null,
        reference text not null,
        times integer not null,
        first_at integer not null,
        last_at integer not null,
        primary key (repository, reference)
      ) without rowid`,
    tune: 'create index missed_last on missed (last_at, repository, reference);',
  },
  {
    table: 'scrub',
    // One row: behind which digest a check of all that is stored goes on, null at its beginning.
    make: `create table scrub (id integer primary key check (id = 0), after_digest text, begun_at integer not null)`,
  },
  {
    // Blobs that clients are sending.
    table: 'uploads',
    make: `
      create table uploads (
        id text not null primary key,
        repository text not null,
        begun_at integer not null
      ) without rowid`,
  },
];

/** Makes those that the index lacks. Writes nothing where there is nothing to do: the disk may be full. */
export function addMissing(database: Database, wanted = additions): void {
  const missing = (): readonly Addition[] => wanted.filter((addition) => !has(database, addition));
  if (missing().length === 0) return;
  // Another process may have been first.
  const make = (): void =>
    missing().forEach(({ make, tune }) => void database.exec(tune === undefined ? make : `${make};${tune}`));
  database.transaction(make).immediate();
}

/** Has whoever reads find those that the index lacks, empty, and writes nothing to it. False: not all of them can be stood in for. */
export function standInForMissing(database: Database, wanted = additions): boolean {
  const missing = wanted.filter((addition) => !has(database, addition));
  if (missing.some(({ column }) => column !== undefined)) return false;
  // From what stands in none leads to what is there.
  database.pragma('foreign_keys = OFF');
  for (const { make } of missing) database.exec(make.replace('create table', 'create temp table'));
  return true;
}

function has(database: Database, { table, column }: Addition): boolean {
  const columns = database.pragma(`table_info(${table})`) as readonly { readonly name: string }[];
  return column === undefined ? columns.length > 0 : columns.some(({ name }) => name === column);
}
