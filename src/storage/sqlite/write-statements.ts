import type { Database } from 'better-sqlite3';
import { preparing } from './statements.ts';

/** What a clock said that has been set back since is older than anything. */
const unlessOlder = `on conflict do update set items = excluded.items, checked_at = excluded.checked_at
  where excluded.checked_at >= checked_at or checked_at > ?`;

/** What is known of a digest: bytes as they were verified, and since when they are here. */
export interface ContentRow {
  readonly size: number | null;
  readonly stored_at: number | null;
}

/** What the steps of a change are made of: each touches rows by their keys, and no more of them than an image has. */
export function prepareWrites(database: Database) {
  const prepare = preparing(database);
  return {
    findRepository: prepare<[string], { id: number }>('select id from repositories where name = ?'),
    addRepository: prepare<[string, string], { id: number }>(
      'insert into repositories (name, host) values (?, ?) returning id',
    ),
    findContent: prepare<[string], { id: number }>('select id from contents where digest = ?'),
    addContent: prepare<[string], { id: number }>('insert into contents (digest) values (?) returning id'),
    nameContents: prepare<[string]>(
      'insert into contents (digest) select value from json_each(?) where true on conflict do nothing',
    ),
    getContent: prepare<[number], ContentRow>('select size, stored_at from contents where id = ?'),
    setStored: prepare<[Record<string, unknown>]>(
      'update contents set size = coalesce($size, size), stored_at = coalesce(stored_at, $now) where id = $content',
    ),
    setLost: prepare<[number]>('update contents set stored_at = null where id = ?'),

    hasManifest: prepare<[number, number], { size: number }>(
      'select size from manifests where repository = ? and content = ?',
    ),
    putManifest: prepare<[Record<string, unknown>]>(
      `insert into manifests values ($owner, $content, $mediaType, $size, $artifactType, $annotations, $subject, $origin, $now, $now)
       on conflict do update set media_type = excluded.media_type, artifact_type = excluded.artifact_type,
         annotations = excluded.annotations, subject = excluded.subject`,
    ),
    putChild: prepare<[number, number, number, 0 | 1, number]>(
      'insert into children values (?, ?, ?, ?, ?) on conflict do nothing',
    ),
    childrenOf: prepare<[number, number], { child: number }>(
      'select child from children where repository = ? and manifest = ?',
    ),
    removeManifest: prepare<[number, number]>('delete from manifests where repository = ? and content = ?'),

    getTag: prepare<[number, string], { digest: string; checked_at: number }>(
      `select c.digest, t.checked_at from tags t join contents c on c.id = t.manifest
       where t.repository = ? and t.tag = ?`,
    ),
    putTag: prepare<[Record<string, unknown>]>(
      `insert into tags (repository, tag, manifest, checked_at, since) values ($owner, $tag, $manifest, $checkedAt, $since)
       on conflict do update set since = iif(manifest = excluded.manifest, since, excluded.since),
         manifest = excluded.manifest, checked_at = excluded.checked_at, gone_at = null`,
    ),
    tagsOf: prepare<[number, number, number], { tag: string }>(
      'select tag from tags where repository = ? and manifest = ? limit ?',
    ),
    removeTag: prepare<[number, string]>('delete from tags where repository = ? and tag = ?'),
    rememberTag: prepare<[string, number, string]>(
      `insert into tag_history (repository, tag, digest, first_seen, last_seen, why)
       select t.repository, t.tag, c.digest, t.since, max(t.checked_at, t.since), ? from tags t join contents c on c.id = t.manifest
       where t.repository = ? and t.tag = ?`,
    ),
    forgetFormerTags: prepare<[number, string, number, string, number]>(
      `delete from tag_history where repository = ? and tag = ? and id <= (
         select id from tag_history where repository = ? and tag = ? order by id desc limit 1 offset ?)`,
    ),

    hasLink: prepare<[number, string, number], { found: 1 }>(
      'select 1 as found from links where content = ? and host = ? and repository = ?',
    ),
    link: prepare<[number, string, number, string]>(
      'insert into links values (?, ?, ?, ?) on conflict do nothing',
    ),
    /** Each with one step through the key, however many repositories it has. */
    hostsOf: prepare<[number], { host: string }>(
      `with recursive owners(content, host) as (
         select ?, ''
         union all
         select content, (select min(host) from links l where l.content = owners.content and l.host > owners.host)
         from owners where host is not null)
       select host from owners where host <> ''`,
    ),
    want: prepare<[Record<string, unknown>]>(
      `insert into wanted select $child, $owner, $size, $now where not exists (
         select 1 from links l join contents c on c.id = l.content
         where l.content = $child and l.host = $host and l.repository = $owner and c.stored_at is not null)
       on conflict do nothing`,
    ),
    wantAgain: prepare<[Record<string, unknown>]>(
      `insert into wanted
       select l.content, l.repository, coalesce(c.size, (select size from children where child = l.content and repository = l.repository limit 1), 0), $now
       from links l join contents c on c.id = l.content
       where l.content = $content
       and exists (select 1 from children k where k.child = l.content and k.repository = l.repository and k.is_manifest = 0)
       limit $limit
       on conflict do nothing`,
    ),
    unwant: prepare<[number, number]>('delete from wanted where content = ? and repository = ?'),
    unwantOwned: prepare<[number]>(
      `delete from wanted where content = ? and exists (
         select 1 from links l join repositories r on r.id = wanted.repository
         where l.content = wanted.content and l.host = r.host and l.repository = r.id)`,
    ),
    unwantUnnamed: prepare<[number, number]>(
      `delete from wanted where content = ? and repository = ? and not exists (
         select 1 from children k
         where k.child = wanted.content and k.repository = wanted.repository and k.is_manifest = 0)`,
    ),

    putTagList: prepare<[number, string, number, number]>(
      `insert into tag_lists values (?, ?, ?) ${unlessOlder}`,
    ),
    putReferrersList: prepare<[number, number, string, number, number]>(
      `insert into referrers_lists values (?, ?, ?, ?) ${unlessOlder}`,
    ),
    recordUse: prepare<[number, number, number]>(
      'update manifests set used_at = ? where repository = ? and content = ?',
    ),
    recordUseOfParents: prepare<[number, number, number, number, number]>(
      `update manifests set used_at = ? where repository = ? and content in (
         select manifest from children where child = ? and repository = ? limit ?)`,
    ),
    addTotals: prepare<[Record<string, unknown>]>(
      `insert into totals values ($host, $manifests, $manifestBytes, $blobs, $blobBytes)
       on conflict do update set manifests = manifests + excluded.manifests,
         manifest_bytes = manifest_bytes + excluded.manifest_bytes,
         blobs = blobs + excluded.blobs, blob_bytes = blob_bytes + excluded.blob_bytes`,
    ),
  };
}
