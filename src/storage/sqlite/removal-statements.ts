import type { Database } from 'better-sqlite3';
import { preparing } from './statements.ts';

/** What the removal of images is made of. */
export function prepareRemovals(database: Database) {
  const prepare = preparing(database);
  return {
    /** A tag, an index of the repository, or a subject that is there. */
    isLedTo: prepare<[number, number], { found: 1 }>(
      `select 1 as found from manifests m where m.repository = ? and m.content = ? and (
         exists (select 1 from tags t where t.repository = m.repository and t.manifest = m.content)
         or exists (select 1 from children k where k.child = m.content and k.repository = m.repository)
         or exists (select 1 from manifests s where s.repository = m.repository and s.content = m.subject))`,
    ),
    /** Itself, and what it names as blobs. */
    leave: prepare<[Record<string, unknown>]>(
      `insert into leaving
         select $owner, $content union all
         select repository, child from children where repository = $owner and manifest = $content and is_manifest = 0
         on conflict do nothing`,
    ),
    leaveAlone: prepare<[number, number]>('insert into leaving values (?, ?) on conflict do nothing'),
    isDropped: prepare<[number, number]>('insert into dropped values (?, ?) on conflict do nothing'),
    hasLeft: prepare<[number, number]>('delete from leaving where repository = ? and content = ?'),
    isPinned: prepare<[number, string], { pinned: number }>(
      'select pinned from tags where repository = ? and tag = ?',
    ),
    markGone: prepare<[number, number, string]>(
      `update tags set gone_at = coalesce(gone_at, ?), checked_at = 0
       where repository = ? and tag = ? and (gone_at is null or checked_at <> 0)`,
    ),
    doubtTag: prepare<[number, string]>(
      'update tags set checked_at = 0 where repository = ? and tag = ? and checked_at <> 0',
    ),

    /** As a blob: a manifest that an index names and its repository has not is nothing to it. */
    isNamedIn: prepare<[number, number], { found: 1 }>(
      'select 1 as found from children where child = ? and repository = ? and is_manifest = 0 limit 1',
    ),
    isNamed: prepare<[number], { found: 1 }>(
      'select 1 as found from children where child = ? and is_manifest = 0 limit 1',
    ),
    isManifest: prepare<[number], { found: 1 }>('select 1 as found from manifests where content = ? limit 1'),
    unlink: prepare<[number, string, number]>(
      'delete from links where content = ? and host = ? and repository = ?',
    ),
    unlinkAll: prepare<[number]>('delete from links where content = ?'),

    /** By a lease, or because whoever brings it may still name it. */
    isHeld: prepare<[Record<string, unknown>], { found: 1 }>(
      `select 1 as found from leases where content = $content and until > $now
       union all select 1 from announced where content = $content and until > $now limit 1`,
    ),
    lease: prepare<[number, string, number]>(
      `insert into leases (content, holder, until) values (?, ?, ?)
       on conflict do update set until = excluded.until`,
    ),
    endLease: prepare<[number, string]>('delete from leases where content = ? and holder = ?'),
    /** Some at a time: whoever leases clears up behind others. */
    forgetLeases: prepare<[number, number]>(
      `delete from leases where (content, holder) in (
         select content, holder from leases where until <= ? limit ?)`,
    ),

    announce: prepare<[number, number]>(
      'insert into announced values (?, ?) on conflict do update set until = max(until, excluded.until)',
    ),
    isAnnounced: prepare<[number], { found: 1 }>('select 1 as found from announced where content = ?'),
    unannounce: prepare<[number]>('delete from announced where content = ?'),
  };
}
