import { statSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { schema, schemaVersion } from './schema.ts';

/** How far it is: rows of the older index that were walked, of all that will be. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

/** Rows of one table in the order of a key, some of which are one transaction. */
interface Walk {
  readonly from: string;
  /** What is counted beforehand: how many keys there will be. */
  readonly count: string;
  readonly key: readonly string[];
  /** So many distinct keys at a time: some hundred kilobytes, unless single rows are large. */
  readonly rows: number;
  /** Statements over one range, each with `range` for it. */
  readonly inserts: (range: string) => readonly string[];
}

/** Where the walks are, kept with what they wrote. */
interface State {
  readonly walk: number;
  /** The last key as JSON; '': at the beginning. */
  readonly at: string;
  readonly done: number;
  readonly total: number;
}

const rows = 20_000;
/** They may be megabytes each. */
const lists = 20;

const now = "cast(unixepoch('subsec') * 1000 as integer)";
/** Names begin with the host and a slash. */
const host = "substr(repository, 1, instr(repository, '/') - 1)";
const named = (from: string, range: string): string =>
  `insert into repositories (name, host) select distinct repository, ${host} from ${from} where ${range} order by 1 on conflict do nothing`;
const counted = `on conflict do update set manifests = manifests + excluded.manifests,
  manifest_bytes = manifest_bytes + excluded.manifest_bytes, blobs = blobs + excluded.blobs, blob_bytes = blob_bytes + excluded.blob_bytes`;

/**
 * Children of indexes, and where things came from, were not recorded: they are learnt when manifests come again. Each walk reads in the order
 * of a key and writes, as far as it can, in the order of another. The older server may be running: what it learns meanwhile is its own, and
 * a row that leads to it is left out (hence the joins), as is a link to a blob that was not here yet: what is counted and wanted goes by links.
 */
const walks: readonly Walk[] = [
  {
    ...{
      from: 'older.blob_links',
      key: ['digest'],
      rows,
      count: 'count(distinct digest) from older.blob_links',
    },
    inserts: (range) => [
      `insert into contents (digest, size, stored_at)
         select digest, (select size from sizes s where s.digest = l.digest), ${now}
         from (select distinct digest from older.blob_links where ${range} order by digest) l`,
    ],
  },
  {
    ...{ from: 'sizes', key: ['digest'], rows, count: 'count(*) from sizes' },
    inserts: (range) => [
      `insert into contents (digest, size) select digest, size from sizes where ${range} on conflict do nothing`,
    ],
  },
  {
    ...{
      from: 'older.manifest_blobs',
      key: ['blob'],
      rows,
      count: 'count(distinct blob) from older.manifest_blobs',
    },
    inserts: (range) => [
      `insert into contents (digest) select distinct blob from older.manifest_blobs where ${range} order by blob
         on conflict do nothing`,
    ],
  },
  {
    ...{
      from: 'older.manifests',
      key: ['repository', 'digest'],
      rows: rows / 5,
      count: 'count(*) from older.manifests',
    },
    inserts: (range) => [
      named('older.manifests', range),
      `insert into contents (digest, size, stored_at) select digest, size, created_at from older.manifests where ${range}
         on conflict do update set size = excluded.size, stored_at = coalesce(stored_at, excluded.stored_at)`,
      `insert into contents (digest) select subject from older.manifests where ${range} and subject is not null
         on conflict do nothing`,
      // Of an image that came meanwhile: with some of its blobs alone it would look complete.
      `insert into contents (digest)
         select blob from (select repository as owner, digest from older.manifests where ${range})
         cross join older.manifest_blobs b on b.repository = owner and b.manifest = digest
         where true on conflict do nothing`,
      `insert into manifests
         select r.id, c.id, media_type, o.size, artifact_type, annotations, s.id, 'upstream', created_at, used_at
         from (select * from older.manifests where ${range}) o
         cross join repositories r on r.name = o.repository cross join contents c on c.digest = o.digest
         left join contents s on s.digest = o.subject`,
    ],
  },
  {
    ...{
      from: 'older.manifest_blobs',
      key: ['repository', 'manifest', 'blob'],
      rows,
      count: 'count(*) from older.manifest_blobs',
    },
    inserts: (range) => [
      `insert into children
         select m.repository, m.content, b.id, 0, o.size from (select * from older.manifest_blobs where ${range}) o
         cross join repositories r on r.name = o.repository cross join contents c on c.digest = o.manifest
         cross join manifests m on m.repository = r.id and m.content = c.id cross join contents b on b.digest = o.blob`,
    ],
  },
  {
    ...{ from: 'older.tags', key: ['repository', 'tag'], rows, count: 'count(*) from older.tags' },
    inserts: (range) => [
      `insert into tags (repository, tag, manifest, checked_at, since)
         select m.repository, tag, m.content, checked_at, checked_at from (select * from older.tags where ${range}) o
         cross join repositories r on r.name = o.repository cross join contents c on c.digest = o.digest
         cross join manifests m on m.repository = r.id and m.content = c.id`,
    ],
  },
  {
    ...{
      from: 'older.blob_links',
      key: ['digest', 'repository'],
      rows,
      count: 'count(*) from older.blob_links',
    },
    inserts: (range) => [
      named('older.blob_links', range),
      `insert into links select c.id, r.host, r.id, 'upstream' from (select * from older.blob_links where ${range}) o
         cross join contents c on c.digest = o.digest cross join repositories r on r.name = o.repository
         where c.stored_at is not null`,
    ],
  },
  {
    ...{
      from: 'children',
      key: ['repository', 'manifest', 'child'],
      rows,
      count: 'count(*) from older.manifest_blobs',
    },
    inserts: (range) => [
      `insert into wanted
         select k.child, k.repository, k.size, m.created_at from (select * from children where ${range}) k
         cross join manifests m on m.repository = k.repository and m.content = k.manifest
         cross join repositories r on r.id = k.repository
         where not exists (
           select 1 from links l where l.content = k.child and l.host = r.host and l.repository = k.repository)
         on conflict do nothing`,
    ],
  },
  {
    ...{ from: 'older.tag_lists', key: ['repository'], rows: lists, count: 'count(*) from older.tag_lists' },
    inserts: (range) => [
      named('older.tag_lists', range),
      `insert into tag_lists select r.id, items, checked_at from (select * from older.tag_lists where ${range}) o
         cross join repositories r on r.name = o.repository`,
    ],
  },
  {
    ...{
      from: 'older.referrers_lists',
      key: ['repository', 'digest'],
      rows: lists,
      count: 'count(*) from older.referrers_lists',
    },
    inserts: (range) => [
      named('older.referrers_lists', range),
      `insert into contents (digest) select digest from older.referrers_lists where ${range} on conflict do nothing`,
      `insert into referrers_lists
         select r.id, c.id, items, checked_at from (select * from older.referrers_lists where ${range}) o
         cross join repositories r on r.name = o.repository cross join contents c on c.digest = o.digest`,
    ],
  },
  {
    ...{ from: 'manifests', key: ['repository', 'content'], rows, count: 'count(*) from older.manifests' },
    inserts: (range) => [
      `insert into totals select r.host, count(*), sum(m.size), 0, 0 from (select * from manifests where ${range}) m
         join repositories r on r.id = m.repository where true group by r.host ${counted}`,
      `insert into totals select '', count(*), coalesce(sum(size), 0), 0, 0 from manifests where ${range} ${counted}`,
    ],
  },
  {
    ...{ from: 'links', key: ['content'], rows, count: 'count(distinct digest) from older.blob_links' },
    inserts: (range) => [
      `insert into totals select l.host, 0, 0, count(*), coalesce(sum(c.size), 0)
         from (select distinct content, host from links where ${range}) l join contents c on c.id = l.content
         where true group by l.host ${counted}`,
      `insert into totals select '', 0, 0, count(*), coalesce(sum(c.size), 0)
         from (select distinct content from links where ${range}) l join contents c on c.id = l.content where true ${counted}`,
    ],
  },
];

/** Of the older file: another, when somebody has written to it since, so that what was taken from it may not be what it says. Reading it leaves an empty log. */
export function identityOf(older: string): string {
  return [older, `${older}-wal`]
    .map((path) => statSync(path, { throwIfNoEntry: false }))
    .map((stat) => (stat === undefined || stat.size === 0 ? '' : `${stat.ino} ${stat.size} ${stat.mtimeMs}`))
    .join(', ');
}

/**
 * Fills an index with all that the older one knows, attached as `older`, a part at a time: each is a transaction that also says how far it
 * is, so that whoever was ended goes on there. `identity`: of the older file; if it is another than the parts were made from, or nobody knows,
 * false, and nothing is done: begin with an empty file. Throws SQLite's errors, and for a version that is not known.
 */
export function* takeOver(database: Database, identity: string): Generator<Progress, boolean> {
  database.exec(sizesOf(database));
  // One that is whole does not say from what: it has not got its name because its process was ended just then.
  if (versionOf(database, 'main') === schemaVersion) return false;
  if (!isBegun(database)) database.transaction(() => begin(database, identity)).immediate();
  if (database.prepare('select older from taking_over').pluck().get() !== identity) return false;
  const state = database.prepare<[], State>('select walk, at, done, total from taking_over');
  const keep = database.prepare<[State]>('update taking_over set walk = $walk, at = $at, done = $done');
  for (;;) {
    const before = state.get() as State;
    const walk = walks[before.walk];
    if (walk === undefined) break;
    database.transaction(() => keep.run(part(database, walk, before))).immediate();
    const { done, total } = state.get() as State;
    yield { done, total };
  }
  database
    .transaction(() => database.exec(`drop table taking_over; pragma user_version = ${schemaVersion}`))
    .immediate();
  return true;
}

function isBegun(database: Database): boolean {
  return database.prepare("select 1 from sqlite_schema where name = 'taking_over'").get() !== undefined;
}

function begin(database: Database, identity: string): void {
  database.exec(schema);
  database.exec('create table taking_over (walk, at, done, total, older)');
  const isEmpty = versionOf(database, 'older') === 0;
  const total = isEmpty ? 0 : walks.reduce((sum, walk) => sum + countedIn(database, walk), 0);
  const first = isEmpty ? walks.length : 0;
  database.prepare("insert into taking_over values (?, '', 0, ?, ?)").run(first, total, identity);
}

function countedIn(database: Database, { count }: Walk): number {
  return Number(database.prepare(`select ${count}`).pluck().get());
}

function part(database: Database, walk: Walk, { walk: number, at, done, total }: State): State {
  const columns = walk.key.join(', ');
  const after = at === '' ? [] : (JSON.parse(at) as (string | number)[]);
  const behind = after.length === 0 ? 'true' : `(${columns}) > (${parameters(walk, 'after')})`;
  const keys = database
    .prepare<[Record<string, unknown>], Record<string, unknown>>(
      `select distinct ${columns} from ${walk.from} where ${behind} order by ${columns} limit ${walk.rows}`,
    )
    .all(values('after', after));
  const last = keys.at(-1);
  if (last === undefined) return { walk: number + 1, at: '', done, total };
  const until = walk.key.map((column) => last[column] as string | number);
  const range = `${behind} and (${columns}) <= (${parameters(walk, 'until')})`;
  for (const insert of walk.inserts(range))
    database
      .prepare<[Record<string, unknown>]>(insert)
      .run({ ...values('after', after), ...values('until', until) });
  return { walk: number, at: JSON.stringify(until), done: done + keys.length, total };
}

function parameters({ key }: Walk, name: string): string {
  return key.map((_, at) => `$${name}${at}`).join(', ');
}

function values(name: string, key: readonly (string | number)[]): Record<string, unknown> {
  return Object.fromEntries(key.map((value, at) => [`${name}${at}`, value]));
}

function versionOf(database: Database, which: 'main' | 'older'): number {
  return Number(database.pragma(`${which}.user_version`, { simple: true }));
}

/** Schema 1 did not record what sizes were verified. Throws for what is neither. */
function sizesOf(database: Database): string {
  const known = versionOf(database, 'older');
  if (known > 2) throw new Error(`index.sqlite is of schema ${known}, which this version does not know`);
  const rows =
    known === 2
      ? 'select digest, size from older.blob_sizes'
      : 'select null as digest, null as size where false';
  return `create temp view if not exists sizes as ${rows}`;
}
