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
    // Manifests that were removed here, once: whoever makes the index anew by a list that still has them leaves out those that are not here.
    table: 'dropped',
    make: `
      create table dropped (
        repository integer not null,
        content integer not null,
        primary key (repository, content)
      ) without rowid`,
    tune: `
      insert into sqlite_stat1 (tbl, idx, stat) values ('dropped', 'dropped', '100000 100 1');
      analyze sqlite_schema;`,
  },
  {
    // Bytes that an import brings before anything names them: what nothing has named by then goes.
    table: 'announced',
    make: 'create table announced (content integer primary key, until integer not null)',
    tune: `
      create index announced_until on announced (until);
      insert into sqlite_stat1 (tbl, idx, stat) values ('announced', 'announced_until', '10000 10');
      analyze sqlite_schema;`,
  },
  {
    // Files of Ociregistry 1.17 that were imported or refused, and how they were found.
    table: 'taken_over',
    make: 'create table taken_over (place text not null primary key, state text not null) without rowid',
  },
  {
    // What others are still to be told, in the order in which it became so.
    table: 'event_queue',
    make: 'create table event_queue (id integer primary key autoincrement, endpoint text not null, event text not null)',
    tune: 'create index event_queue_endpoint on event_queue (endpoint, id);',
  },
  {
    // Who sends what waits for an endpoint, and how many had to give way there.
    table: 'event_endpoints',
    make: `
      create table event_endpoints (
        endpoint text primary key,
        holder text not null default '',
        until integer not null default 0,
        dropped integer not null default 0
      ) without rowid`,
  },
  {
    // Behind what walks go on that are not done in one go, by their names.
    table: 'progress',
    make: 'create table progress (walk text primary key, after text) without rowid',
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
