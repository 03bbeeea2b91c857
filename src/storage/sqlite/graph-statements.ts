import type { Database } from 'better-sqlite3';
import { preparing } from './statements.ts';

export interface NodeRow {
  readonly repository: number;
  readonly content: number;
  readonly created_at: number;
  readonly used_at: number;
}

export interface LeadingTagRow {
  readonly tag: string;
  readonly pinned: number;
  readonly gone_at: number | null;
}

interface NamedRow {
  readonly digest: string;
  readonly is_manifest: 0 | 1;
}

/** A place in the order of uses. */
export interface UsePlace {
  readonly used_at: number;
  readonly repository: number;
  readonly content: number;
}

export interface RootRow extends UsePlace {
  readonly name: string;
  readonly digest: string;
  readonly is_repeated: 0 | 1;
  readonly is_root: 0 | 1;
}

const repositoryId = '(select id from repositories where name = ?)';
const contentId = '(select id from contents where digest = ?)';

/** What is asked of the graph of what leads to what: pages, and of what may be many no more than is wanted. */
export function prepareGraph(database: Database) {
  const prepare = preparing(database);
  return {
    repository: prepare<[string], { id: number }>('select id from repositories where name = ?'),
    contentId: prepare<[string], { id: number }>('select id from contents where digest = ?'),
    node: prepare<[string, string], NodeRow>(
      `select repository, content, created_at, used_at from manifests
       where repository = ${repositoryId} and content = ${contentId}`,
    ),
    leadingTags: prepare<[number, number, string, number], LeadingTagRow>(
      'select tag, pinned, gone_at from tags where repository = ? and manifest = ? and tag > ? order by tag limit ?',
    ),
    named: prepare<[string, string, string, number], NamedRow>(
      `select c.digest, k.is_manifest from children k join contents c on c.id = k.child
       where k.repository = ${repositoryId} and k.manifest = ${contentId} and k.child > coalesce(${contentId}, 0)
       order by k.child limit ?`,
    ),
    referrers: prepare<[string, string, string, number], { digest: string }>(
      `select c.digest from manifests m join contents c on c.id = m.content
       where m.repository = ${repositoryId} and m.subject = ${contentId} and m.content > coalesce(${contentId}, 0)
       order by m.content limit ?`,
    ),
    tagsLike: prepare<[string, string, string, string, number], { tag: string; digest: string }>(
      `select t.tag, c.digest from tags t join contents c on c.id = t.manifest
       where t.repository = ${repositoryId} and t.tag >= ? and t.tag > ? and t.tag < ? order by t.tag limit ?`,
    ),
    newestTags: prepare<[string, number], { tag: string }>(
      `select tag from tags where repository = ${repositoryId} and tag >= '' order by since desc, tag limit ?`,
    ),
    leads: prepare<[string, string], { count: number }>(
      `select (select count(*) from tags t where t.repository = m.repository and t.manifest = m.content)
         + (select count(*) from children k where k.child = m.content and k.repository = m.repository)
         + (select count(*) from manifests s where s.repository = m.repository and s.content = m.subject) as count
       from manifests m where m.repository = ${repositoryId} and m.content = ${contentId}`,
    ),
    uses: prepare<[string, number, string, number], { count: number }>(
      `select (select count(*) from (
           select 1 from children where child = ${contentId} and is_manifest = 0 limit ?))
         + (select count(*) from (select 1 from manifests where content = ${contentId} limit ?)) as count`,
    ),
    content: prepare<[string], { size: number | null; stored_at: number | null }>(
      'select size, stored_at from contents where digest = ?',
    ),
    /** As those who discard see it. */
    isHeldContent: prepare<[string, number, number], { found: 1 }>(
      `select 1 as found from contents c where c.digest = ? and (
         exists (select 1 from leases l where l.content = c.id and l.until > ?)
         or exists (select 1 from announced a where a.content = c.id and a.until > ?))`,
    ),
    counted: prepare<[string], { digest: string; is_counted: 0 | 1 }>(
      `select c.digest, exists (select 1 from links l where l.content = c.id)
         or exists (select 1 from manifests m where m.content = c.id) as is_counted
       from json_each(?) cross join contents c on c.digest = value where c.stored_at is not null`,
    ),
    roots: prepare<[number, number, number, number], RootRow>(
      `select page.used_at, page.repository, page.content, r.name, c.digest,
         exists (select 1 from repeated_uses u where u.repository = page.repository and u.content = page.content) as is_repeated,
         exists (select 1 from tags t where t.repository = page.repository and t.manifest = page.content)
         or not exists (select 1 from children k where k.child = page.content and k.repository = page.repository)
         and (page.subject is null or not exists (
           select 1 from manifests s where s.repository = page.repository and s.content = page.subject)) as is_root
       from (
         select repository, content, subject, used_at from manifests
         where (used_at, repository, content) > ((select ?), (select ?), (select ?))
         order by used_at, repository, content limit ?) page
       cross join repositories r on r.id = page.repository cross join contents c on c.id = page.content
       order by page.used_at, page.repository, page.content`,
    ),
    leaving: prepare<[string, string, number], { name: string; digest: string }>(
      `select r.name, c.digest from leaving l
       join repositories r on r.id = l.repository join contents c on c.id = l.content
       where (l.repository, l.content) > (coalesce(${repositoryId}, 0), coalesce(${contentId}, 0))
       order by l.repository, l.content limit ?`,
    ),
    announced: prepare<[number, number, number, number], { digest: string; until: number }>(
      `select c.digest, a.until from announced a cross join contents c on c.id = a.content
       where (a.until, a.content) > ((select ?), (select ?)) and a.until <= ?
       order by a.until, a.content limit ?`,
    ),
  };
}
