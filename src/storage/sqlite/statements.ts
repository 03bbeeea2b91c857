import type { Database, Statement } from 'better-sqlite3';

/** A statement by its parameters and its row, prepared once: preparing costs more than running. */
type Prepared<Parameters extends unknown[], Row> = Statement<Parameters, Row>;

export interface DescriptorRow {
  readonly digest: string;
  readonly media_type: string;
  readonly size: number;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
}

export interface TagRow extends DescriptorRow {
  readonly repository: string;
  readonly tag: string;
  readonly checked_at: number;
}

export interface IncompleteRow {
  readonly repository: string;
  readonly digest: string;
  readonly created_at: number;
}

export interface ListRow {
  readonly items: string;
  readonly checked_at: number;
}

const descriptor = 'm.digest, m.media_type, m.size, m.artifact_type, m.annotations';
/** Annotations may be as large as the manifest: they are read for lists of referrers alone. */
const plain = 'm.digest, m.media_type, m.size, m.artifact_type, null as annotations';
const tagged = `t.repository, t.tag, t.checked_at, ${plain}
  from tags t join manifests m on m.repository = t.repository and m.digest = t.digest`;
/** What a clock said that has been set back since is older than anything. */
const unlessOlder = `on conflict do update set items = excluded.items, checked_at = excluded.checked_at
  where excluded.checked_at >= checked_at or checked_at > ?`;
/** Is a blob named by this manifest that its repository does not have? */
const lacks = `exists (
  select 1 from manifest_blobs b
  where b.repository = manifests.repository and b.manifest = manifests.digest
  and not exists (select 1 from blob_links l where l.digest = b.blob and l.repository = b.repository))`;

/**
 * Every statement of the store. Where the index is named SQLite would choose the primary key, which begins with the repository, and
 * read all that the repository has.
 */
export function prepareStatements(database: Database) {
  const prepare = <Parameters extends unknown[], Row = never>(sql: string): Prepared<Parameters, Row> =>
    database.prepare<Parameters, Row>(sql);
  return {
    getManifest: prepare<[string, string], DescriptorRow>(
      `select ${plain} from manifests m where m.repository = ? and m.digest = ?`,
    ),
    putManifest: prepare<[Record<string, unknown>]>(
      `insert into manifests values ($repository, $digest, $mediaType, $size, $artifactType, $annotations, $subject, 0, $now, $now)
       on conflict do update set media_type = excluded.media_type, artifact_type = excluded.artifact_type,
         annotations = excluded.annotations, subject = excluded.subject`,
    ),
    putManifestBlob: prepare<[string, string, string, string, number]>(
      'insert into manifest_blobs values (?, ?, ?, ?, ?) on conflict do nothing',
    ),
    judgeManifest: prepare<[string, string]>(
      `update manifests set complete = not ${lacks} where repository = ? and digest = ?`,
    ),
    deleteManifest: prepare<[string, string]>('delete from manifests where repository = ? and digest = ?'),
    getTag: prepare<[string, string], TagRow>(`select ${tagged} where t.repository = ? and t.tag = ?`),
    putTag: prepare<[string, string, string, number, number]>(
      `insert into tags values (?, ?, ?, ?)
       on conflict do update set digest = excluded.digest, checked_at = excluded.checked_at
       where excluded.checked_at >= checked_at or excluded.checked_at = 0 or checked_at > ?`,
    ),
    listTags: prepare<[string], { tag: string }>('select tag from tags where repository = ? order by tag'),
    listAllTags: prepare<[string, string, number], TagRow>(
      `select ${tagged} where (t.repository, t.tag) > (?, ?) order by t.repository, t.tag limit ?`,
    ),
    listRepositories: prepare<[string, number], { repository: string }>(
      'select distinct repository from manifests where repository > ? order by repository limit ?',
    ),
    listReferrers: prepare<[string, string], DescriptorRow>(
      `select ${descriptor} from manifests m indexed by manifests_subject
       where m.repository = ? and m.subject = ? order by m.digest`,
    ),
    getTagList: prepare<[string], ListRow>('select items, checked_at from tag_lists where repository = ?'),
    putTagList: prepare<[string, string, number, number]>(
      `insert into tag_lists values (?, ?, ?) ${unlessOlder}`,
    ),
    getReferrersList: prepare<[string, string], ListRow>(
      'select items, checked_at from referrers_lists where repository = ? and digest = ?',
    ),
    putReferrersList: prepare<[string, string, string, number, number]>(
      `insert into referrers_lists values (?, ?, ?, ?) ${unlessOlder}`,
    ),
    hasBlob: prepare<[string, string], { found: 1 }>(
      'select 1 as found from blob_links where digest = ? and repository = ?',
    ),
    hasBlobOnHost: prepare<[string, string, string], { found: 1 }>(
      'select 1 as found from blob_links where digest = ? and repository > ? and repository < ? limit 1',
    ),
    linkBlob: prepare<[string, string]>('insert into blob_links values (?, ?) on conflict do nothing'),
    recordSize: prepare<[string, number]>(
      'insert into blob_sizes values (?, ?) on conflict do update set size = excluded.size where size <> excluded.size',
    ),
    unlinkBlob: prepare<[string]>('delete from blob_links where digest = ?'),
    judgeHolders: prepare<[string, string]>(
      `update manifests set complete = 1 where complete = 0 and not ${lacks} and (repository, digest) in
         (select repository, manifest from manifest_blobs where blob = ? and repository = ?)`,
    ),
    reopenHolders: prepare<[string]>(
      `update manifests set complete = 0 where (repository, digest) in
         (select repository, manifest from manifest_blobs where blob = ?)`,
    ),
    blobSize: prepare<[string], { size: number }>('select size from blob_sizes where digest = ?'),
    claimedSizes: prepare<[string, string], { size: number }>(
      `select distinct size from manifest_blobs indexed by manifest_blobs_blob
       where blob = ? and repository = ? limit 2`,
    ),
    listManifestsOf: prepare<[string, string, number, number], { digest: string }>(
      `select m.digest from (
         select repository as owner, manifest from manifest_blobs indexed by manifest_blobs_blob
         where blob = ? and repository = ? limit ?)
       cross join manifests m on m.repository = owner and m.digest = manifest
       order by m.created_at desc limit ?`,
    ),
    listIncompleteManifests: prepare<[number, string, string, number], IncompleteRow>(
      `select repository, digest, created_at from manifests indexed by manifests_incomplete
       where complete = 0 and (created_at, repository, digest) < (?, ?, ?)
       order by created_at desc, repository desc, digest desc limit ?`,
    ),
    isComplete: prepare<[string, string], { complete: 0 | 1 }>(
      'select complete from manifests where repository = ? and digest = ?',
    ),
    listMissingBlobs: prepare<[string, string, number], { blob: string; size: number }>(
      `select b.blob, b.size from manifest_blobs b where b.repository = ? and b.manifest = ?
       and not exists (select 1 from blob_links l where l.digest = b.blob and l.repository = b.repository)
       limit ?`,
    ),
    sliceManifests: prepare<[string, string, number], { repository: string; digest: string; size: number }>(
      `select repository, digest, size from manifests
       where (repository, digest) > (?, ?) order by repository, digest limit ?`,
    ),
    sliceBlobs: prepare<[string, number], { digest: string; size: number | null }>(
      `select linked as digest, coalesce(
         (select size from blob_sizes where digest = linked),
         (select size from manifest_blobs where blob = linked limit 1)) as size
       from (select distinct digest as linked from blob_links where digest > ? order by digest limit ?)`,
    ),
    recordUse: prepare<[number, string, string]>(
      'update manifests set used_at = ? where repository = ? and digest = ?',
    ),
  };
}
