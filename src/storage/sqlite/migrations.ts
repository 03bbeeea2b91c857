import type { Database } from 'better-sqlite3';
import { schema, schemaVersion } from './schema.ts';
import { damaged, isBusy, isDamage } from './sqlite-errors.ts';

/** Pages that are held in memory while an older index is taken over. KiB. */
const takingOverKiB = 32 * 1024;

/** Another process takes over the older index now, or has it locked: `cause` is SQLite's error. */
export class TakenOverError extends Error {
  override readonly name = 'TakenOverError';
}

/**
 * Makes the schema in a new file, with all that an older index beside it knows, which stays as it is: in one transaction, so that nothing
 * half done is ever seen; several processes may try at once. Writes nothing where there is nothing to do: the disk may be full.
 * `older`: the path of `index.sqlite` of schema 1 or 2. Throws when either file is of a version that is not known or damaged,
 * and TakenOverError.
 */
export function migrate(database: Database, older: string | undefined): void {
  if (versionOf(database) === schemaVersion) return;
  if (older === undefined) database.transaction(() => begin(database, false)).immediate();
  else takeOver(database, older);
}

function takeOver(database: Database, older: string): void {
  try {
    database.prepare('attach ? as older').run(older);
    // Rows come at random places of some of their tables: what does not fit is written to the log again and again.
    const usual = database.pragma('cache_size', { simple: true });
    database.pragma(`cache_size = ${-takingOverKiB}`);
    database.transaction(() => begin(database, true)).immediate();
    database.pragma(`cache_size = ${usual}`);
    database.pragma('wal_checkpoint(TRUNCATE)');
    database.exec('detach older');
  } catch (error) {
    if (isBusy(error)) throw new TakenOverError(`${older} is being taken over`, { cause: error });
    // Not the file that is just being made.
    throw isDamage(error) ? damaged(older, error) : error;
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

/** Row by row. */
const counted = (rows: string): string => `insert into totals select ${rows} where true
  on conflict do update set manifests = manifests + excluded.manifests, manifest_bytes = manifest_bytes + excluded.manifest_bytes,
    blobs = blobs + excluded.blobs, blob_bytes = blob_bytes + excluded.blob_bytes;`;

/**
 * Children of indexes, and where things came from, were not recorded: they are learnt when manifests come again. Each step reads in the
 * order of a key and writes in the order of another: sorting some million rows would take a container's memory, and inserting them at
 * random a log many times as large as the index.
 */
const imported = `
  insert into repositories (name, host)
    select name, ${hostOf('name')} from (
      select repository as name from older.manifests union select repository from older.blob_links
      union select repository from older.tag_lists union select repository from older.referrers_lists);
  insert into contents (digest, size, stored_at)
    select digest, (select size from sizes s where s.digest = l.digest), ${now}
    from (select distinct digest from older.blob_links) l;
  insert into contents (digest, size) select digest, size from sizes where true on conflict do nothing;
  insert into contents (digest) select distinct blob from older.manifest_blobs where true on conflict do nothing;
  insert into contents (digest, size, stored_at)
    select digest, size, created_at from older.manifests where true
    on conflict do update set size = excluded.size, stored_at = coalesce(stored_at, excluded.stored_at);
  insert into contents (digest) select subject from older.manifests where subject is not null on conflict do nothing;
  insert into contents (digest) select digest from older.referrers_lists where true on conflict do nothing;
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
    select k.child, k.repository, k.size, m.created_at from children k
    join manifests m on m.repository = k.repository and m.content = k.manifest join repositories r on r.id = k.repository
    where not exists (
      select 1 from links l where l.content = k.child and l.host = r.host and l.repository = k.repository)
    on conflict do nothing;
  insert into tag_lists select ${repository('o.repository')}, items, checked_at from older.tag_lists o;
  insert into referrers_lists
    select ${repository('o.repository')}, ${content('o.digest')}, items, checked_at from older.referrers_lists o;
  ${counted('r.host, 1, m.size, 0, 0 from manifests m join repositories r on r.id = m.repository')}
  ${counted("'', 1, size, 0, 0 from manifests")}
  ${counted('l.host, 0, 0, 1, coalesce(c.size, 0) from (select distinct content, host from links) l join contents c on c.id = l.content')}
  ${counted("'', 0, 0, 1, coalesce(c.size, 0) from (select distinct content from links) l join contents c on c.id = l.content")}
`;
