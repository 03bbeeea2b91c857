import type { Database } from 'better-sqlite3';
import { preparing, type FormerTagRow as ShownFormerTag } from './statements.ts';

type FormerTagRow = Omit<ShownFormerTag, 'why'>;

/** What a clock said that has been set back since is older than anything. */
const unlessOlder = `on conflict do update set items = excluded.items, checked_at = excluded.checked_at
  where excluded.checked_at >= checked_at or checked_at > ?`;

/** What is known of a digest: bytes as they were verified, and since when they are here. */
export interface ContentRow {
  readonly id: number;
  readonly size: number | null;
  readonly stored_at: number | null;
}

export type Writes = ReturnType<typeof prepareWrites>;
interface MissPlace {
  readonly last_at: number;
  readonly repository: string;
  readonly reference: string;
}

/**
 * What the steps of a change are made of. Where one row is written it is written by a statement without a `select`: else SQLite keeps a
 * journal for the statement, which takes six times as long as the row. Each touches rows by their keys, and no more of them than an image has. */
export function prepareWrites(database: Database) {
  const prepare = preparing(database);
  return {
    findRepository: prepare<[string], { id: number }>('select id from repositories where name = ?'),
    addRepository: prepare<[string, string], { id: number }>(
      'insert into repositories (name, host) values (?, ?) returning id',
    ),
    findContent: prepare<[string], ContentRow>('select id, size, stored_at from contents where digest = ?'),
    addContent: prepare<[string]>('insert into contents (digest) values (?)'),
    nameContents: prepare<[string]>(
      'insert into contents (digest) select value from json_each(?) where true on conflict do nothing',
    ),
    setStored: prepare<[Record<string, unknown>]>(
      'update contents set size = coalesce($size, size), stored_at = coalesce(stored_at, $now) where id = $content',
    ),
    /** Writes nothing where all of it is the same. */
    setStamp: prepare<[Record<string, unknown>]>(
      `update contents set inode = $inode, modified_at = $modifiedAt, changed_at = $changedAt
       where id = $content and stored_at is not null
       and (inode is not $inode or modified_at is not $modifiedAt or changed_at is not $changedAt)`,
    ),
    noteScrub: prepare<[string | null, number]>('insert or replace into scrub values (0, ?, ?)'),
    noteTakenOver: prepare<[string, string]>('insert or replace into taken_over values (?, ?)'),
    noteProgress: prepare<[string, string | null]>('insert or replace into progress values (?, ?)'),
    setLost: prepare<[number]>(
      'update contents set stored_at = null, inode = null, modified_at = null, changed_at = null where id = ?',
    ),

    hasManifest: prepare<[number, number], { size: number }>(
      'select size from manifests where repository = ? and content = ?',
    ),
    putManifest: prepare<[Record<string, unknown>]>(
      `insert into manifests values ($owner, $content, $mediaType, $size, $artifactType, $annotations, $subject, $origin, $now, $now)
       on conflict do update set media_type = excluded.media_type, artifact_type = excluded.artifact_type,
         annotations = excluded.annotations, subject = excluded.subject`,
    ),
    /** `children`: of each its digest and its size. */
    putChildren: prepare<[Record<string, unknown>]>(
      `insert into children
         select $owner, $content, c.id, $isManifest, value ->> 1 from json_each($children)
         cross join contents c on c.digest = value ->> 0
         where true on conflict do nothing`,
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
    getFormerTag: prepare<[number, string], FormerTagRow>(
      `select c.digest, t.since as first_seen, max(t.checked_at, t.since) as last_seen from tags t join contents c on c.id = t.manifest
       where t.repository = ? and t.tag = ?`,
    ),
    rememberTag: prepare<[number, string, string, number, number, string]>(
      'insert into tag_history (repository, tag, digest, first_seen, last_seen, why) values (?, ?, ?, ?, ?, ?)',
    ),
    /** Of a tag the one that is one too many. */
    formerTagBehind: prepare<[number, string, number], { id: number }>(
      'select id from tag_history where repository = ? and tag = ? order by id desc limit 1 offset ?',
    ),
    forgetFormerTags: prepare<[number, string, number]>(
      'delete from tag_history where repository = ? and tag = ? and id <= ?',
    ),

    hasLink: prepare<[number, string, number], { found: 1 }>(
      'select 1 as found from links where content = ? and host = ? and repository = ?',
    ),
    link: prepare<[number, string, number, string]>(
      'insert into links values (?, ?, ?, ?) on conflict do nothing',
    ),
    /** The first that owns it behind another: one step through the key, however many repositories each has. */
    hostBehind: prepare<[number, string], { host: string | null }>(
      'select min(host) as host from links where content = ? and host > ?',
    ),
    want: prepare<[number, number, number, number]>(
      'insert into wanted values (?, ?, ?, ?) on conflict do nothing',
    ),
    /** What the manifest names, and its repository does not own or has lost. */
    wantMissing: prepare<[Record<string, unknown>]>(
      `insert into wanted
         select k.child, k.repository, k.size, $now from children k
         where k.repository = $owner and k.manifest = $content and k.is_manifest = 0
         and not exists (
           select 1 from links l join contents c on c.id = l.content
           where l.content = k.child and l.host = $host and l.repository = k.repository and c.stored_at is not null)
         on conflict do nothing`,
    ),
    /** Who owns it and has an image that names it, which says how large it is. */
    ownersInNeed: prepare<[number, number], { repository: number; size: number }>(
      `select l.repository, coalesce(c.size, (select size from children where child = l.content and repository = l.repository limit 1), 0) as size
       from links l join contents c on c.id = l.content
       where l.content = ?
       and exists (select 1 from children k where k.child = l.content and k.repository = l.repository and k.is_manifest = 0)
       limit ?`,
    ),
    unwant: prepare<[number, number]>('delete from wanted where content = ? and repository = ?'),
    unwantOwned: prepare<[number]>(
      `delete from wanted where content = ? and exists (
         select 1 from links l join repositories r on r.id = wanted.repository
         where l.content = wanted.content and l.host = r.host and l.repository = r.id)`,
    ),
    /** What no other manifest of the repository names. */
    unwantUnnamed: prepare<[Record<string, unknown>]>(
      `delete from wanted where repository = $owner
       and content in (select child from children where repository = $owner and manifest = $content)
       and not exists (
         select 1 from children k
         where k.child = wanted.content and k.repository = wanted.repository and k.is_manifest = 0 and k.manifest <> $content)`,
    ),

    putTagList: prepare<[number, string, number, number]>(
      `insert into tag_lists values (?, ?, ?) ${unlessOlder}`,
    ),
    putReferrersList: prepare<[number, number, string, number, number]>(
      `insert into referrers_lists values (?, ?, ?, ?) ${unlessOlder}`,
    ),
    usedAt: prepare<[number, number], { used_at: number }>(
      'select used_at from manifests where repository = ? and content = ?',
    ),
    /** It, and what leads to it, was used on another day than before. */
    repeatUse: prepare<[Record<string, unknown>]>(
      `insert into repeated_uses
         select repository, content from manifests
         where repository = $owner and content in (
           select $content union all
           select * from (select manifest from children where child = $content and repository = $owner limit $most))
         on conflict do nothing`,
    ),
    pinTag: prepare<[number, number, string, number]>(
      'update tags set pinned = ? where repository = ? and tag = ? and pinned <> ?',
    ),
    recordMiss: prepare<[Record<string, unknown>]>(
      `insert into missed values ($repository, $reference, $times, $firstAt, $lastAt)
       on conflict do update set times = times + excluded.times, last_at = max(last_at, excluded.last_at)`,
    ),
    /** The one that is one too many. */
    missBehind: prepare<[number], MissPlace>(
      `select last_at, repository, reference from missed where last_at > -1
       order by last_at desc, repository desc, reference desc limit 1 offset ?`,
    ),
    forgetMisses: prepare<[Record<string, unknown>]>(
      `delete from missed where (last_at, repository, reference) <= ((select $last_at), (select $repository), (select $reference))`,
    ),
    recordUse: prepare<[number, number, number]>(
      'update manifests set used_at = ? where repository = ? and content = ?',
    ),
    recordUseOfParents: prepare<[number, number, number, number, number]>(
      `update manifests set used_at = ? where repository = ? and content in (
         select manifest from children where child = ? and repository = ? limit ?)`,
    ),
  };
}
