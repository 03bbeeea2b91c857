import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../base/clock.ts';
import { Turns } from '../../base/turns.ts';
import type { Digest, RepositoryName, Tag } from '../../oci/reference.ts';
import type {
  AnnouncedContent,
  Candidate,
  ImageGraph,
  ImageNode,
  KnownContent,
  LeadingTag,
  LeavingContent,
  NamedContent,
  Use,
} from '../image-graph.ts';
import {
  type LeadingTagRow,
  type NodeRow,
  prepareGraph,
  type RootRow,
  type UsePlace,
} from './graph-statements.ts';

/** So many are read in one go: each is looked at from several sides. */
const rootsAtOnce = 200;
/** So many are read in one go of the tags of one manifest, which may have thousands. */
const tagsAtOnce = 500;
const firstPlace: UsePlace = { used_at: Number.MIN_SAFE_INTEGER, repository: 0, content: 0 };

export class SqliteImageGraph implements ImageGraph {
  readonly #statements: ReturnType<typeof prepareGraph>;
  readonly #clock: Clock;

  constructor(database: Database, clock: Clock = systemClock) {
    this.#statements = prepareGraph(database);
    this.#clock = clock;
  }

  /** Most manifests may be nobody's roots: so many rows are looked at in one go, however few are found. */
  async roots({
    after,
    limit,
    use,
  }: {
    after?: Candidate | undefined;
    limit: number;
    use?: Use | undefined;
  }): Promise<readonly Candidate[]> {
    const turns = new Turns(this.#clock);
    const found: Candidate[] = [];
    for (let last: UsePlace | undefined = this.#placeOf(after); last !== undefined; ) {
      const { used_at, repository, content } = last;
      const rows = this.#statements.roots.all(used_at, repository, content, rootsAtOnce);
      for (const row of rows) if (isWanted(row, use)) found.push(candidateOf(row));
      if (found.length >= limit) break;
      last = rows[rootsAtOnce - 1];
      if (turns.isOver) await turns.pass();
    }
    return found.slice(0, limit);
  }

  async node(repository: RepositoryName, digest: Digest): Promise<ImageNode | undefined> {
    const row = this.#statements.node.get(repository, digest);
    if (row === undefined) return undefined;
    const tags = await this.#tagsOf(row);
    return { repository, digest, createdAt: row.created_at, usedAt: row.used_at, tags };
  }

  async #tagsOf({ repository, content }: NodeRow): Promise<readonly LeadingTag[]> {
    const tags: LeadingTag[] = [];
    for (;;) {
      const last = tags.at(-1)?.tag ?? '';
      const rows = this.#statements.leadingTags.all(repository, content, last, tagsAtOnce);
      tags.push(...rows.map(tagOf));
      if (rows.length < tagsAtOnce) return tags;
      await setImmediate();
    }
  }

  async named(
    repository: RepositoryName,
    digest: Digest,
    { after, limit }: { after?: Digest | undefined; limit: number },
  ): Promise<readonly NamedContent[]> {
    const rows = this.#statements.named.all(repository, digest, after ?? '', limit);
    return rows.map((row) => ({ digest: row.digest as Digest, isManifest: row.is_manifest === 1 }));
  }

  async referrers(
    repository: RepositoryName,
    digest: Digest,
    { after, limit }: { after?: Digest | undefined; limit: number },
  ): Promise<readonly Digest[]> {
    const rows = this.#statements.referrers.all(repository, digest, after ?? '', limit);
    return rows.map((row) => row.digest as Digest);
  }

  async tagsLike(
    repository: RepositoryName,
    prefix: string,
    { after, limit }: { after?: Tag | undefined; limit: number },
  ): Promise<readonly { tag: Tag; digest: Digest }[]> {
    // No tag has a character behind that one.
    const end = `${prefix}\x7f`;
    const rows = this.#statements.tagsLike.all(repository, prefix, after ?? '', end, limit);
    return rows.map(({ tag, digest }) => ({ tag: tag as Tag, digest: digest as Digest }));
  }

  async newestTags(repository: RepositoryName, count: number): Promise<readonly Tag[]> {
    return this.#statements.newestTags.all(repository, count).map(({ tag }) => tag as Tag);
  }

  async leads(repository: RepositoryName, digest: Digest): Promise<number> {
    return this.#statements.leads.get(repository, digest)?.count ?? 0;
  }

  async uses(digest: Digest, most: number): Promise<number> {
    return this.#statements.uses.get(digest, most, digest, most)?.count ?? 0;
  }

  async content(digest: Digest): Promise<KnownContent | undefined> {
    const row = this.#statements.content.get(digest);
    return row && { size: row.size ?? undefined, storedAt: row.stored_at ?? undefined };
  }

  async isHeld(digest: Digest, now: number): Promise<boolean> {
    return this.#statements.isHeldContent.get(digest, now, now) !== undefined;
  }

  async counted(digests: readonly Digest[]): Promise<ReadonlyMap<Digest, boolean>> {
    const rows = this.#statements.counted.all(JSON.stringify(digests));
    return new Map(rows.map(({ digest, is_counted }) => [digest as Digest, is_counted === 1]));
  }

  async leaving({
    after,
    limit,
  }: {
    after?: LeavingContent | undefined;
    limit: number;
  }): Promise<readonly LeavingContent[]> {
    const rows = this.#statements.leaving.all(after?.repository ?? '', after?.digest ?? '', limit);
    return rows.map(({ name, digest }) => ({ repository: name as RepositoryName, digest: digest as Digest }));
  }

  async announced({
    after,
    limit,
    now,
  }: {
    after?: AnnouncedContent | undefined;
    limit: number;
    now: number;
  }): Promise<readonly AnnouncedContent[]> {
    const last = after === undefined ? 0 : this.#idOf(after.digest);
    const rows = this.#statements.announced.all(after?.until ?? 0, last, now, limit);
    return rows.map(({ digest, until }) => ({ digest: digest as Digest, until }));
  }

  #placeOf(after: Candidate | undefined): UsePlace {
    if (after === undefined) return firstPlace;
    const repository = this.#statements.repository.get(after.repository)?.id ?? 0;
    return { used_at: after.usedAt, repository, content: this.#idOf(after.digest) };
  }

  #idOf(digest: Digest): number {
    return this.#statements.contentId.get(digest)?.id ?? 0;
  }
}

function isWanted({ is_root, is_repeated }: RootRow, use: Use | undefined): boolean {
  return is_root === 1 && (use === undefined || (use === 'repeated') === (is_repeated === 1));
}

function candidateOf({ name, digest, used_at }: RootRow): Candidate {
  return { repository: name as RepositoryName, digest: digest as Digest, usedAt: used_at };
}

function tagOf({ tag, pinned, gone_at }: LeadingTagRow): LeadingTag {
  return { tag: tag as Tag, isPinned: pinned !== 0, goneAt: gone_at ?? undefined };
}
