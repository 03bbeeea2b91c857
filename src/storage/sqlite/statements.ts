import type { Database, Statement } from 'better-sqlite3';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/reference.ts';
import type { CheckedContent, ListingRecord, TagRecord, UploadRecord } from '../records.ts';
import { orMiss, watched } from './damage-watch.ts';
import { readList } from './written-list.ts';

/** A statement by its parameters and its row, prepared once: preparing costs more than running. */
type Prepared<Parameters extends unknown[], Row> = Statement<Parameters, Row>;

export interface DescriptorRow {
  readonly digest: string;
  readonly media_type: string;
  readonly size: number;
  readonly artifact_type: string | null;
  readonly annotations: string | null;
}

export interface NamedRow {
  readonly id: number;
  readonly name: string;
}

export interface TagRow extends DescriptorRow {
  readonly tag: string;
  readonly checked_at: number;
}

export interface FormerTagRow {
  readonly digest: string;
  readonly first_seen: number;
  readonly last_seen: number;
  readonly why: 'moved' | 'removed';
}

export interface ListRow {
  readonly items: string;
  readonly checked_at: number;
}

/** With numbers that need 64 bits. */
export interface CheckedRow {
  readonly size: bigint | null;
  readonly inode: bigint | null;
  readonly modified_at: bigint | null;
  readonly changed_at: bigint | null;
  readonly stored_at: bigint | null;
}

interface ScrubRow {
  readonly after_digest: string | null;
  readonly begun_at: number;
}

interface StoredRow {
  readonly digest: string;
  readonly is_here: 0 | 1;
}

export interface MissingRow {
  readonly digest: string;
  readonly size: number;
}

export interface WantedRow extends MissingRow {
  readonly repository: string;
  readonly since: number;
}

export interface UploadRow {
  readonly id: string;
  readonly repository: string;
  readonly begun_at: number;
}

export interface ChangeRow {
  readonly sequence: number;
  readonly writer: string;
  readonly kind: 'tag' | 'manifest' | 'blob';
  readonly repository: string | null;
  readonly reference: string;
}

/** How a statement is prepared: once, by its text. */
export type Prepare = <Parameters extends unknown[], Row = never>(sql: string) => Prepared<Parameters, Row>;

export function preparing(database: Database): Prepare {
  return <Parameters extends unknown[], Row = never>(sql: string) =>
    watched(database, database.prepare<Parameters, Row>(planned(sql)));
}

/**
 * A value that is compared stands in a query of its own. SQLite, as better-sqlite3 builds it, plans a statement anew whenever a value is
 * bound that is compared with a column: that takes ten times as long as to find the row.
 */
function planned(sql: string): string {
  return sql.replaceAll(/(?<=[=<>] |limit |offset )(?:\?|\$\w+)/g, '(select $&)');
}

/** The number of a repository and of a digest, by name. */
const repositoryId = '(select id from repositories where name = ?)';
const contentId = '(select id from contents where digest = ?)';

const descriptor = 'c.digest, m.media_type, m.size, m.artifact_type, m.annotations';
/** Annotations may be as large as the manifest: they are read for lists of referrers alone. */
const plain = 'c.digest, m.media_type, m.size, m.artifact_type, null as annotations';
const tagged = `t.tag, t.checked_at, ${plain} from tags t
  join manifests m on m.repository = t.repository and m.content = t.manifest
  join contents c on c.id = t.manifest`;

/** What is read: no more rows than are returned. */
export function prepareReads(database: Database) {
  const prepare = preparing(database);
  return {
    getManifest: orMiss(
      prepare<[string, string], DescriptorRow>(
        `select ${plain} from manifests m join contents c on c.id = m.content
       where m.repository = ${repositoryId} and m.content = ${contentId}`,
      ),
    ),
    getTag: orMiss(
      prepare<[string, string], TagRow>(
        `select ${tagged} where t.repository = ${repositoryId} and t.tag = ?`,
      ),
    ),
    listFormerTags: prepare<[string, string, number], FormerTagRow>(
      `select digest, first_seen, last_seen, why from tag_history
       where repository = ${repositoryId} and tag = ? order by id desc limit ?`,
    ),
    listTags: prepare<[string, string, number], { tag: string }>(
      `select tag from tags where repository = ${repositoryId} and tag > ? order by tag limit ?`,
    ),
    sliceRepositories: prepare<[string, number], NamedRow>(
      'select id, name from repositories where name > ? order by name limit ?',
    ),
    listRepositories: prepare<[string, number], { name: string }>(
      `select name from repositories r where name > ?
       and exists (select 1 from manifests m where m.repository = r.id) order by name limit ?`,
    ),
    listReferrers: prepare<[string, string, string, number], DescriptorRow>(
      `select ${descriptor} from manifests m join contents c on c.id = m.content
       where m.repository = ${repositoryId} and m.subject = ${contentId} and m.content > coalesce(${contentId}, 0)
       order by m.content limit ?`,
    ),
    getTagList: prepare<[string], ListRow>(
      `select items, checked_at from tag_lists where repository = ${repositoryId}`,
    ),
    getReferrersList: prepare<[string, string], ListRow>(
      `select items, checked_at from referrers_lists where repository = ${repositoryId} and subject = ${contentId}`,
    ),
    /** Of a list those of whose bytes nothing is known, and whether anything is: a manifest may name them. */
    foresee: prepare<[string], { digest: string; is_named: 0 | 1 }>(
      `select value as digest, c.id is not null as is_named from json_each(?)
       left join contents c on c.digest = value
       where c.id is null or c.size is null and c.stored_at is null`,
    ),
    hasBlob: orMiss(
      prepare<[string, string], { found: 1 }>(
        `select 1 as found from contents c join repositories r
       join links l on l.content = c.id and l.host = r.host and l.repository = r.id
       where c.digest = ? and c.stored_at is not null and r.name = ?`,
      ),
    ),
    hasBlobOnHost: orMiss(
      prepare<[string, string], { found: 1 }>(
        `select 1 as found from contents c join links l on l.content = c.id
       where c.digest = ? and c.stored_at is not null and l.host = ? limit 1`,
      ),
    ),
    blobSize: orMiss(
      prepare<[string], { size: number | null }>('select size from contents where digest = ?'),
    ),
    getChecked: orMiss(
      prepare<[string], CheckedRow>(
        'select size, inode, modified_at, changed_at, stored_at from contents where digest = ?',
      ).safeIntegers(),
    ),
    listStored: prepare<[string, number], StoredRow>(
      `select digest, stored_at is not null as is_here from contents
       where id > coalesce(${contentId}, 0) order by id limit ?`,
    ),
    listLinked: prepare<[string, number], { name: string }>(
      `select r.name from links l join repositories r on r.id = l.repository
       where l.content = ${contentId} limit ?`,
    ),
    getScrub: prepare<[], ScrubRow>('select after_digest, begun_at from scrub where id = 0'),
    getTakenOver: prepare<[string], { state: string }>('select state from taken_over where place = ?'),
    getProgress: prepare<[string], { after: string | null }>('select after from progress where walk = ?'),
    hasManifestBy: prepare<[number, string], { found: 1 }>(
      `select 1 as found from manifests where repository = ? and content = ${contentId}`,
    ),
    claimedSizes: orMiss(
      prepare<[string, string], { least: number | null; most: number | null }>(
        `select (select min(size) from children where child = c.id and repository = r.id) as least,
         (select max(size) from children where child = c.id and repository = r.id) as most
       from contents c join repositories r where c.digest = ? and r.name = ?`,
      ),
    ),
    listManifestsOf: orMiss(
      prepare<[string, string, number, number], { digest: string }>(
        `select c.digest from (
         select repository as owner, manifest from children
         where child = ${contentId} and repository = ${repositoryId} limit ?)
       join manifests m on m.repository = owner and m.content = manifest
       join contents c on c.id = m.content
       order by m.created_at desc limit ?`,
      ),
    ),
    listWantedBlobs: prepare<[number, string, string, number], WantedRow>(
      `select r.name as repository, c.digest, w.size, w.since from wanted w
       join repositories r on r.id = w.repository join contents c on c.id = w.content
       where (w.since, w.repository, w.content) < ((select ?), coalesce(${repositoryId}, 1 << 62), coalesce(${contentId}, 1 << 62))
       order by w.since desc, w.repository desc, w.content desc limit ?`,
    ),
    isManifest: prepare<[string, string], { found: 1 }>(
      `select 1 as found from manifests where repository = ${repositoryId} and content = ${contentId}`,
    ),
    getUpload: prepare<[string], UploadRow>('select id, repository, begun_at from uploads where id = ?'),
    listUploads: prepare<[string, number], UploadRow>(
      'select id, repository, begun_at from uploads where id > ? order by id limit ?',
    ),
    countUploads: prepare<[], { count: number }>('select count(*) as count from uploads'),
    listMissingBlobs: prepare<[string, string, number], MissingRow>(
      `select c.digest, k.size from children k
       join wanted w on w.content = k.child and w.repository = k.repository
       join contents c on c.id = k.child
       where k.repository = ${repositoryId} and k.manifest = ${contentId} and k.is_manifest = 0 limit ?`,
    ),
  };
}

export function descriptorOf({
  digest,
  media_type,
  size,
  artifact_type,
  annotations,
}: DescriptorRow): Descriptor {
  return {
    mediaType: media_type,
    digest: digest as Digest,
    size,
    ...(artifact_type !== null && { artifactType: artifact_type }),
    ...(annotations !== null && { annotations: JSON.parse(annotations) as Record<string, string> }),
  };
}

export function uploadOf({ id, repository, begun_at }: UploadRow): UploadRecord {
  return { id, repository: repository as RepositoryName, begunAt: begun_at };
}

/** Undefined: it was never found right here. */
export function checkedOf(row: CheckedRow | undefined): CheckedContent | undefined {
  if (row === undefined || row.size === null) return undefined;
  const { inode, modified_at: modifiedAt, changed_at: changedAt } = row;
  const isNoted = inode !== null && modifiedAt !== null && changedAt !== null;
  const stamp = isNoted ? { inode: BigInt.asUintN(64, inode), modifiedAt, changedAt } : undefined;
  return { size: Number(row.size), stamp, isHere: row.stored_at !== null };
}

export function tagOf(row: TagRow): TagRecord {
  return { tag: row.tag as Tag, descriptor: descriptorOf(row), checkedAt: row.checked_at };
}

export async function listOf<Item>(row: ListRow | undefined): Promise<ListingRecord<Item> | undefined> {
  return row === undefined
    ? undefined
    : { items: await readList<Item>(row.items), checkedAt: row.checked_at };
}
