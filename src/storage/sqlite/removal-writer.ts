import type { Database } from 'better-sqlite3';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { DiscardedContent } from '../discarded-content.ts';
import type { Operation } from '../operation.ts';
import { StillNamedError } from '../requirements.ts';
import { AnnouncedWriter } from './announced-writer.ts';
import type { ChangeLog } from './change-log.ts';
import type { ChangeTotals } from './change-totals.ts';
import type { ContentOwners } from './content-owners.ts';
import type { FormerTags } from './former-tags.ts';
import { type KnownManifest, knownManifest } from './known-manifest.ts';
import { prepareRemovals } from './removal-statements.ts';
import type { ContentRow, Writes } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

export type RemovalOperation = Of<
  | 'remove manifest'
  | 'lose blob'
  | 'remove tag'
  | 'tag is gone'
  | 'doubt tag'
  | 'drop manifest'
  | 'discard content'
  | 'discard unknown'
  | 'settle discarded'
  | 'lease content'
  | 'end lease'
  | 'announce content'
  | 'leave content'
  | 'discard announced'
  | 'disown blob'
>;

export interface RemovalParts {
  readonly database: Database;
  readonly statements: Writes;
  readonly changes: ChangeLog;
  readonly totals: ChangeTotals;
  readonly owners: ContentOwners;
  readonly former: FormerTags;
  /** Undefined: there are no bytes, the index is all. */
  readonly discarded: DiscardedContent | undefined;
  readonly now: () => number;
}

/** A blob that more repositories own is brought to the others when somebody asks for it. */
const maxWanting = 500;
/** Leases that have run out: so many are forgotten when another is written. */
const forgottenLeases = 20;
/** No limit. */
const all = -1;

/** Takes away what operations say, inside a transaction of the caller's. */
export class RemovalWriter {
  readonly announced: AnnouncedWriter;
  readonly #parts: RemovalParts;
  readonly #statements: ReturnType<typeof prepareRemovals>;

  constructor(parts: RemovalParts) {
    this.#parts = parts;
    this.#statements = prepareRemovals(parts.database);
    this.announced = new AnnouncedWriter({
      ...parts,
      removals: this.#statements,
      isOfUse: (content) => this.#isOfUseAnywhere(content),
      lose: (digest, row) => this.#lost(digest, row),
    });
  }

  write(operation: RemovalOperation): void {
    switch (operation.kind) {
      case 'remove manifest':
        this.#removeManifest(operation);
        return;
      case 'lose blob':
        this.#loseBlob(operation);
        return;
      case 'remove tag':
        this.#removeTag(operation);
        return;
      case 'tag is gone':
        this.#tagIsGone(operation);
        return;
      case 'doubt tag':
        this.#doubtTag(operation);
        return;
      case 'drop manifest':
        this.#dropManifest(operation);
        return;
      case 'discard content':
        for (const digest of operation.digests) this.#discard(digest, operation);
        return;
      case 'discard unknown':
        for (const digest of operation.digests) this.#discardUnknown(digest, operation.before);
        return;
      case 'settle discarded':
        for (const digest of operation.digests) this.#settle(digest);
        return;
      case 'lease content':
        this.#lease(operation);
        return;
      case 'end lease':
        this.#endLease(operation);
        return;
      case 'announce content':
        this.announced.announce(operation);
        return;
      case 'leave content':
        for (const digest of operation.digests) this.leaveUnnamed(operation.repository, digest);
        return;
      case 'discard announced':
        this.announced.discard(operation);
        return;
      case 'disown blob':
        this.#disown(operation);
    }
  }

  /** Do more than so many tags point at the manifest? */
  hasTags(repository: RepositoryName, digest: Digest, count: number): boolean {
    const known = this.#known(repository, digest);
    if (known === undefined) return false;
    return this.#parts.statements.tagsOf.all(known.owner, known.content, count + 1).length > count;
  }

  /** Removes at most so many of the tags that point at the manifest. */
  forgetTags(repository: RepositoryName, digest: Digest, limit: number): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    const tags = this.#parts.statements.tagsOf.all(known.owner, known.content, limit);
    for (const { tag } of tags) this.#forgetTag(repository, known.owner, tag);
  }

  /** What no manifest of the repository names, nor is one of it, is said to be leaving: whoever looks when that is old enough finds out. */
  leaveUnnamed(repository: RepositoryName, digest: Digest): void {
    const known = this.#known(repository, digest);
    if (known !== undefined && !this.#isOfUse(known.owner, known.content))
      this.#statements.leaveAlone.run(known.owner, known.content);
  }

  #forgetTag(repository: RepositoryName, owner: number, tag: string): void {
    const { changes, former, statements } = this.#parts;
    former.remember(owner, tag, 'removed');
    statements.removeTag.run(owner, tag);
    changes.add('tag', repository, tag);
  }

  #removeTag({ repository, tag, digest }: Of<'remove tag'>): void {
    const { findRepository, getTag } = this.#parts.statements;
    const owner = findRepository.get(repository)?.id;
    if (owner === undefined || getTag.get(owner, tag)?.digest !== digest) return;
    if (this.#statements.isPinned.get(owner, tag)?.pinned !== 0) return;
    this.#forgetTag(repository, owner, tag);
  }

  #tagIsGone({ repository, tag, at }: Of<'tag is gone'>): void {
    const { changes, statements } = this.#parts;
    const owner = statements.findRepository.get(repository)?.id;
    if (owner === undefined) return;
    if (this.#statements.markGone.run(at, owner, tag).changes > 0) changes.add('tag', repository, tag);
  }

  #doubtTag({ repository, tag }: Of<'doubt tag'>): void {
    const { changes, statements } = this.#parts;
    const owner = statements.findRepository.get(repository)?.id;
    if (owner === undefined) return;
    if (this.#statements.doubtTag.run(owner, tag).changes > 0) changes.add('tag', repository, tag);
  }

  #removeManifest({ repository, digest }: Of<'remove manifest'>): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    this.forgetTags(repository, digest, all);
    this.#forgetManifest(repository, digest, known);
  }

  #dropManifest({ repository, digest }: Of<'drop manifest'>): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    if (this.#statements.isLedTo.get(known.owner, known.content) !== undefined) return;
    this.#forgetManifest(repository, digest, known);
  }

  #forgetManifest(repository: RepositoryName, digest: Digest, { owner, content }: KnownManifest): void {
    const { changes, statements, totals } = this.#parts;
    const removed = statements.hasManifest.get(owner, content);
    if (removed === undefined) return;
    statements.unwantUnnamed.run({ owner, content });
    this.#statements.leave.run({ owner, content });
    statements.removeManifest.run(owner, content);
    this.#statements.isDropped.run(owner, content);
    totals.add([hostOf(repository), ''], { manifests: -1, manifestBytes: -removed.size });
    changes.add('manifest', repository, digest);
  }

  #loseBlob({ digest, found }: Of<'lose blob'>): void {
    const { discarded, statements, now } = this.#parts;
    const before = statements.findContent.get(digest);
    if (before === undefined || before.stored_at === null) return;
    // Since it was looked for it may have come, or it was discarded by whoever ended before he had said so.
    if (found === 'missing' && discarded?.restore(digest) === true) return;
    this.#lost(digest, before);
    for (const { repository, size } of statements.ownersInNeed.all(before.id, maxWanting))
      statements.want.run(before.id, repository, size, now());
  }

  #lost(digest: Digest, { id, size }: ContentRow): void {
    const { changes, owners, statements } = this.#parts;
    owners.count(id, -1, size);
    statements.setLost.run(id);
    changes.add('blob', undefined, digest);
  }

  #discard(digest: Digest, { repository, before }: Of<'discard content'>): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    if (this.#isLeft(repository, digest, known, before)) return;
    this.#statements.hasLeft.run(known.owner, known.content);
  }

  /** True: it stays for now, and is to be looked at again. */
  #isLeft(
    repository: RepositoryName,
    digest: Digest,
    { owner, content }: KnownManifest,
    before: number,
  ): boolean {
    const { discarded, now, statements } = this.#parts;
    const row = statements.findContent.get(digest);
    if (row === undefined || row.stored_at === null || this.#isOfUse(owner, content)) return false;
    if (this.#statements.isHeld.get({ content, now: now() }) !== undefined) return true;
    // Whoever has just brought it asks for it, and says only then what names it.
    if (row.stored_at >= before) return true;
    if (this.#isOfUseAnywhere(content)) {
      this.#unlink(digest, row, repository, owner);
      return false;
    }
    // Its file first: what cannot be moved is still here.
    if (discarded?.take(digest, before) === 'left') return true;
    this.#lost(digest, row);
    this.#statements.unlinkAll.run(content);
    return false;
  }

  /** Who is about to say that they are here has brought them a moment ago, or names them. */
  #discardUnknown(digest: Digest, before: number): void {
    const { discarded, now, statements } = this.#parts;
    const row = statements.findContent.get(digest);
    const isKept =
      row !== undefined &&
      (row.stored_at !== null ||
        this.#isOfUseAnywhere(row.id) ||
        this.#statements.isHeld.get({ content: row.id, now: now() }) !== undefined);
    if (!isKept) discarded?.take(digest, before);
  }

  #isOfUse(owner: number, content: number): boolean {
    return (
      this.#statements.isNamedIn.get(content, owner) !== undefined ||
      this.#parts.statements.hasManifest.get(owner, content) !== undefined
    );
  }

  #isOfUseAnywhere(content: number): boolean {
    return (
      this.#statements.isNamed.get(content) !== undefined ||
      this.#statements.isManifest.get(content) !== undefined
    );
  }

  /** A registry counts what its images refer to, and no more. */
  #unlink(digest: Digest, { id, size }: ContentRow, repository: RepositoryName, owner: number): void {
    const { changes, owners, statements } = this.#parts;
    const host = hostOf(repository);
    if (statements.hasLink.get(id, host, owner) === undefined) return;
    owners.count(id, -1, size);
    this.#statements.unlink.run(id, host, owner);
    owners.count(id, 1, size);
    changes.add('blob', undefined, digest);
  }

  #disown({ repository, digest }: Of<'disown blob'>): void {
    const known = this.#known(repository, digest);
    const row = this.#parts.statements.findContent.get(digest);
    if (known === undefined || row === undefined) return;
    if (this.#statements.isNamedIn.get(known.content, known.owner) !== undefined)
      throw new StillNamedError('manifest');
    this.#unlink(digest, row, repository, known.owner);
    this.#statements.leaveAlone.run(known.owner, known.content);
  }

  #settle(digest: Digest): void {
    const row = this.#parts.statements.findContent.get(digest);
    if (row !== undefined && row.stored_at !== null) this.#parts.discarded?.restore(digest);
  }

  #lease({ digests, holder, until }: Of<'lease content'>): void {
    const { now, statements } = this.#parts;
    this.#statements.forgetLeases.run(now(), forgottenLeases);
    statements.nameContents.run(JSON.stringify(digests));
    for (const digest of digests) {
      const content = statements.findContent.get(digest)?.id;
      if (content !== undefined) this.#statements.lease.run(content, holder, until);
    }
  }

  #endLease({ digests, holder }: Of<'end lease'>): void {
    for (const digest of digests) {
      const content = this.#parts.statements.findContent.get(digest)?.id;
      if (content !== undefined) this.#statements.endLease.run(content, holder);
    }
  }

  #known(repository: RepositoryName, digest: Digest): KnownManifest | undefined {
    return knownManifest(this.#parts.statements, repository, digest);
  }
}
