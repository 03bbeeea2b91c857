import type { Database } from 'better-sqlite3';
import { schema, schemaVersion } from './schema.ts';
import { isBusy, isDamaged } from './sqlite-errors.ts';

/** The older index cannot be read: `cause` is SQLite's error. */
export class OlderIndexError extends Error {
  override readonly name = 'OlderIndexError';
  readonly path: string;

  constructor(path: string, cause: unknown) {
    super(`${path} cannot be read`, { cause });
    this.path = path;
  }
}

/** Another process takes over the older index now, or has it locked: `cause` is SQLite's error. */
export class TakenOverError extends Error {
  override readonly name = 'TakenOverError';
}

/**
 * Makes the schema in a new file, with all that an older index beside it knows, which stays as it is: in one transaction, so that nothing
 * half done is ever seen; several processes may try at once. Writes nothing where there is nothing to do: the disk may be full.
 * `older`: the path of `index.sqlite` of schema 1 or 2. Throws when either file is of a version that is not known, OlderIndexError, TakenOverError.
 */
export function migrate(database: Database, older: string | undefined): void {
  if (versionOf(database) === schemaVersion) return;
  if (older === undefined) database.transaction(() => begin(database, false)).immediate();
  else takeOver(database, older);
}

function takeOver(database: Database, older: string): void {
  try {
    database.prepare('attach ? as older').run(older);
    database.transaction(() => begin(database, true)).immediate();
    database.exec('detach older');
  } catch (error) {
    if (isBusy(error)) throw new TakenOverError(`${older} is being taken over`, { cause: error });
    // What is damaged is not the file that was just made.
    throw isDamaged(error) ? new OlderIndexError(older, error) : error;
  }
}

function begin(database: Database, hasOlder: boolean): void {
  const version = versionOf(database);
  if (version === schemaVersion) return;
  if (version !== 0)
    throw new Error(`the index is of schema ${version}, this version knows ${schemaVersion}`);
  database.exec(schema);
  if (hasOlder) {
    const known = Number(database.pragma('older.user_version', { simple: true }));
    if (known > 2) throw new Error(`index.sqlite is of schema ${known}, which this version does not know`);
    if (known > 0) database.exec(`${known === 1 ? withoutSizes : withSizes}${imported}`);
  }
  database.pragma(`user_version = ${schemaVersion}`);
}

function versionOf(database: Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}

/** Schema 1 did not record what sizes were verified. */
const withoutSizes = 'create temp view sizes as select null as digest, null as size where false;';
const withSizes = 'create temp view sizes as select digest, size from older.blob_sizes;';

const now = "cast(unixepoch('subsec') * 1000 as integer)";
/** Names begin with the host and a slash. */
const hostOf = (name: string): string => `substr(${name}, 1, instr(${name}, '/') - 1)`;
const repository = (name: string): string => `(select id from repositories where name = ${name})`;
const content = (digest: string): string => `(select id from contents where digest = ${digest})`;

/** Children of indexes, and where things came from, were not recorded: they are learnt when manifests come again. */
const imported = `
  insert into repositories (name, host)
    select name, ${hostOf('name')} from (
      select repository as name from older.manifests union select repository from older.blob_links
      union select repository from older.tag_lists union select repository from older.referrers_lists);
  insert into contents (digest, size, stored_at)
    select digest, max(size), max(stored_at) from (
      select digest, size, created_at as stored_at from older.manifests
      union all select digest, null, ${now} from older.blob_links
      union all select digest, size, null from sizes
      union all select blob, null, null from older.manifest_blobs
      union all select subject, null, null from older.manifests where subject is not null
      union all select digest, null, null from older.referrers_lists)
    group by digest;
  drop view sizes;
  insert into manifests
    select ${repository('o.repository')}, ${content('o.digest')}, media_type, size, artifact_type, annotations,
      ${content('o.subject')}, 'upstream', created_at, used_at from older.manifests o;
  insert into children
    select ${repository('o.repository')}, ${content('o.manifest')}, ${content('o.blob')}, 0, size from older.manifest_blobs o;
  insert into tags (repository, tag, manifest, checked_at, since)
    select ${repository('o.repository')}, tag, ${content('o.digest')}, checked_at, checked_at from older.tags o;
  insert into links
    select ${content('o.digest')}, ${hostOf('o.repository')}, ${repository('o.repository')}, 'upstream' from older.blob_links o;
  insert into wanted
    select distinct k.child, k.repository, k.size, m.created_at from children k
    join manifests m on m.repository = k.repository and m.content = k.manifest join repositories r on r.id = k.repository
    where not exists (
      select 1 from links l where l.content = k.child and l.host = r.host and l.repository = k.repository)
    on conflict do nothing;
  insert into tag_lists select ${repository('o.repository')}, items, checked_at from older.tag_lists o;
  insert into referrers_lists
    select ${repository('o.repository')}, ${content('o.digest')}, items, checked_at from older.referrers_lists o;
  insert into totals
    select host, sum(manifests), sum(manifest_bytes), sum(blobs), sum(blob_bytes) from (
      select r.host, 1 as manifests, m.size as manifest_bytes, 0 as blobs, 0 as blob_bytes
        from manifests m join repositories r on r.id = m.repository
      union all
      select '', 1, m.size, 0, 0 from manifests m
      union all
      select l.host, 0, 0, 1, coalesce(c.size, 0) from (select distinct content, host from links) l join contents c on c.id = l.content
      union all
      select '', 0, 0, 1, coalesce(c.size, 0) from (select distinct content from links) l join contents c on c.id = l.content)
    group by host;
`;
