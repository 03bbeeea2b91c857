import type { Database } from 'better-sqlite3';
import type { Descriptor } from '../../oci/descriptor.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { DiscardedContent } from '../discarded-content.ts';
import type { Operation } from '../operation.ts';
import { MissingContentError } from '../requirements.ts';
import type { Stamp } from '../stamp.ts';
import type { ChangeLog } from './change-log.ts';
import { ChangeTotals } from './change-totals.ts';
import { ClientWriter } from './client-writer.ts';
import { ContentOwners } from './content-owners.ts';
import { EventWriter } from './event-writer.ts';
import { FormerTags } from './former-tags.ts';
import { knownManifest } from './known-manifest.ts';
import { RemovalWriter } from './removal-writer.ts';
import { RestoreWriter } from './restore-writer.ts';
import { isUnmet } from './sqlite-errors.ts';
import type { UnknownDigests } from './unknown-digests.ts';
import { type ContentRow, prepareWrites, type Writes } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

/** Lists as they are kept: written out before, in turns of the event loop. */
export type WrittenOut = (operation: Of<'put tag list'> | Of<'put referrers list'>) => string;

/** An index that leads to a manifest is used with it; some child that very many share counts for so many. */
const maxParents = 20;
/** Milliseconds. */
const dayMs = 86_400_000;

export interface WriterParts {
  readonly database: Database;
  readonly changes: ChangeLog;
  readonly unknown: UnknownDigests;
  readonly discarded: DiscardedContent | undefined;
  readonly now: () => number;
}
/** So many names are kept that were missed. */
const maxMisses = 10_000;

/** Does operations inside a transaction of the caller's. */
export class OperationWriter {
  readonly removals: RemovalWriter;
  readonly #restoring: RestoreWriter;
  readonly #clients: ClientWriter;
  readonly #statements: Writes;
  readonly #changes: ChangeLog;
  readonly #unknown: UnknownDigests;
  readonly #totals: ChangeTotals;
  readonly #owners: ContentOwners;
  readonly #former: FormerTags;
  readonly #events: EventWriter;
  readonly #now: () => number;

  constructor(parts: WriterParts) {
    const statements = prepareWrites(parts.database);
    const totals = new ChangeTotals(parts.database);
    const owners = new ContentOwners(statements, totals);
    const former = new FormerTags(statements);
    this.removals = new RemovalWriter({ ...parts, statements, totals, owners, former });
    this.#restoring = new RestoreWriter(parts.database, statements, {
      putManifest: (operation) => this.#putManifest(operation),
      putTag: (operation) => this.#putTag(operation),
      pinTag: (operation) => this.#pinTag(operation),
    });
    this.#clients = new ClientWriter(parts.database, statements);
    this.#statements = statements;
    this.#changes = parts.changes;
    this.#unknown = parts.unknown;
    this.#totals = totals;
    this.#owners = owners;
    this.#former = former;
    this.#events = new EventWriter(parts.database, parts.now);
    this.#now = parts.now;
  }

  write(operations: readonly Operation[], textOf: WrittenOut): void {
    this.#totals.begin();
    for (const operation of operations) this.#write(operation, textOf);
    this.#totals.write();
  }

  #write(operation: Operation, textOf: WrittenOut): void {
    switch (operation.kind) {
      case 'put manifest':
        this.#putManifest(operation);
        return;
      case 'restore manifest':
        this.#restoring.write(operation);
        return;
      case 'put tag':
        this.#putTag(operation);
        return;
      case 'link blob':
        this.#linkBlob(operation);
        return;
      case 'own blob':
        this.#ownBlob(operation);
        return;
      case 'note scrub':
        this.#statements.noteScrub.run(operation.place.after ?? null, operation.place.begunAt);
        return;
      case 'note progress':
        this.#statements.noteProgress.run(operation.of, operation.after ?? null);
        return;
      case 'queue events':
      case 'take event turn':
      case 'settle events':
        this.#events.write(operation);
        return;
      case 'note check':
        this.#noteCheck(operation);
        return;
      case 'note arrival':
        this.#noteArrival(operation);
        return;
      case 'note taken over':
        this.#statements.noteTakenOver.run(operation.place, operation.state);
        return;
      case 'put tag list': {
        const repository = this.#repository(operation.repository);
        const { checkedAt } = operation.list;
        this.#statements.putTagList.run(repository, textOf(operation), checkedAt, this.#now());
        return;
      }
      case 'put referrers list': {
        const [repository, subject] = [
          this.#repository(operation.repository),
          this.#content(operation.digest),
        ];
        const { checkedAt } = operation.list;
        this.#statements.putReferrersList.run(
          ...[repository, subject, textOf(operation), checkedAt, this.#now()],
        );
        return;
      }
      case 'record misses':
        this.#recordMisses(operation);
        return;
      case 'pin tag':
        this.#pinTag(operation);
        return;
      case 'record uses':
        this.#recordUses(operation);
        return;
      case 'require content':
      case 'require tag':
      case 'require unled':
      case 'begin upload':
      case 'end upload':
        this.#clients.write(operation);
        return;
      default:
        this.removals.write(operation);
    }
  }

  /** Makes digests known, which says nothing of them. */
  name(digests: readonly Digest[]): void {
    this.#statements.nameContents.run(JSON.stringify(digests));
  }

  #putManifest({ repository, manifest, origin }: Of<'put manifest'>): void {
    const { descriptor, blobs, manifests = [], subject } = manifest;
    const { digest, mediaType, size, artifactType, annotations } = descriptor;
    const [owner, stored, now] = [this.#repository(repository), this.#contentOf(digest), this.#now()];
    const { id: content } = stored;
    const host = hostOf(repository);
    this.#store(digest, stored, size);
    const isNew = this.#statements.hasManifest.get(owner, content) === undefined;
    this.#statements.putManifest.run({
      ...{ owner, content, mediaType, size, origin, now },
      artifactType: artifactType ?? null,
      annotations: annotations === undefined ? null : JSON.stringify(annotations),
      subject: subject === undefined ? null : this.#content(subject),
    });
    if (origin !== 'upstream') this.removals.announced.end(content);
    if (isNew) this.#totals.add([host, ''], { manifests: 1, manifestBytes: size });
    // Clients of other processes may wait for what an import brings.
    if (isNew && origin === 'import') this.#changes.add('manifest', repository, digest);
    this.#putChildren(owner, content, blobs, 0);
    if (blobs.length > 0) this.#statements.wantMissing.run({ owner, content, host, now });
    this.#putChildren(owner, content, manifests, 1);
  }

  /** All in one statement: one for each takes three times as long. */
  #putChildren(owner: number, content: number, descriptors: readonly Descriptor[], isManifest: 0 | 1): void {
    if (descriptors.length === 0) return;
    this.name(descriptors.map(({ digest }) => digest));
    const children = JSON.stringify(descriptors.map(({ digest, size }) => [digest, size]));
    this.#statements.putChildren.run({ owner, content, isManifest, children });
  }

  #putTag({ repository, record, was }: Of<'put tag'>): void {
    const { tag, checkedAt, descriptor } = record;
    const [owner, manifest, now] = [
      this.#repository(repository),
      this.#content(descriptor.digest),
      this.#now(),
    ];
    const there = this.#statements.getTag.get(owner, tag);
    const moves = there?.digest !== descriptor.digest;
    if (there !== undefined && !(moves && there.digest === was)) {
      const isOlder = checkedAt !== 0 && checkedAt < there.checked_at && there.checked_at <= now;
      if (isOlder) return;
    }
    if (moves && there !== undefined) this.#former.remember(owner, tag, 'moved');
    try {
      this.#statements.putTag.run({ owner, tag, manifest, checkedAt, since: checkedAt || now });
    } catch (error) {
      throw isUnmet(error) ? new MissingContentError([descriptor.digest]) : error;
    }
    if (moves) this.#changes.add('tag', repository, tag);
  }

  #linkBlob(operation: Of<'link blob'>): void {
    const { repository, digest, origin } = operation;
    const known = this.#statements.findContent.get(digest);
    const before = known ?? this.#contentOf(digest);
    this.#link(operation, before);
    // Who named it may have gone while it was on its way; what was pushed nobody may ever name.
    if (known?.stored_at === null || origin === 'push') this.removals.leaveUnnamed(repository, digest);
    if (origin !== 'upstream') this.removals.announced.end(before.id);
    if (operation.stamp !== undefined) this.#setStamp(before.id, operation.stamp);
  }

  #link({ repository, digest, verified, origin }: Of<'link blob'>, before: ContentRow): void {
    const [owner, host] = [this.#repository(repository), hostOf(repository)];
    const { id: content } = before;
    const size = verified ?? before.size;
    const isSame = before.stored_at !== null && size === before.size;
    if (isSame && this.#statements.hasLink.get(content, host, owner) !== undefined) return;
    this.#store(digest, before, size, {
      link: () => this.#statements.link.run(content, host, owner, origin),
      isAwaited: origin === 'import',
    });
    // Who owned it before lacks it no more either, where it was not here.
    if (before.stored_at !== null) this.#statements.unwant.run(content, owner);
  }

  /** Where they are not here they may be when somebody has brought them. */
  #ownBlob({ repository, digest, origin }: Of<'own blob'>): void {
    const { id, stored_at } = this.#contentOf(digest);
    if (stored_at !== null)
      this.#linkBlob({ kind: 'link blob', repository, digest, origin, verified: undefined });
    else this.#statements.link.run(id, hostOf(repository), this.#repository(repository), origin);
  }

  #noteCheck({ digest, size, stamp }: Of<'note check'>): void {
    const before = this.#statements.findContent.get(digest);
    if (before === undefined || before.stored_at === null) return;
    this.#store(digest, before, size);
    this.#setStamp(before.id, stamp);
  }

  #noteArrival({ digest, size, stamp }: Of<'note arrival'>): void {
    const before = this.#contentOf(digest);
    this.#store(digest, before, size);
    if (stamp !== undefined) this.#setStamp(before.id, stamp);
  }

  /** SQLite has no number above half of what an inode may be: the others are negative. */
  #setStamp(content: number, { inode, modifiedAt, changedAt }: Stamp): void {
    this.#statements.setStamp.run({ content, inode: BigInt.asIntN(64, inode), modifiedAt, changedAt });
  }

  /**
   * Its bytes are here: those who own it lack it no more. `size` as it was verified. Other processes are told where it is new that somebody owns
   * what is here, and of each link of what is awaited, as all is that an import brings.
   */
  #store(
    digest: Digest,
    before: ContentRow,
    size: number | null,
    { link, isAwaited = false }: { readonly link?: () => void; readonly isAwaited?: boolean } = {},
  ): void {
    const { id: content } = before;
    this.#unknown.delete(digest);
    const isHere = before.stored_at !== null;
    if (isHere && size === before.size && link === undefined) return;
    const wasOwned = isHere && this.#owners.count(content, -1, before.size);
    this.#statements.setStored.run({ content, size, now: this.#now() });
    link?.();
    if (!this.#owners.count(content, 1, size)) return;
    if (!isHere) this.#statements.unwantOwned.run(content);
    if (!wasOwned || isAwaited) this.#changes.add('blob', undefined, digest);
  }

  #recordUses({ uses }: Of<'record uses'>): void {
    for (const { repository, digest, at } of uses) {
      const known = knownManifest(this.#statements, repository, digest);
      if (known === undefined) continue;
      const { owner, content } = known;
      const before = this.#statements.usedAt.get(owner, content)?.used_at;
      if (before !== undefined && dayOf(before) !== dayOf(at))
        this.#statements.repeatUse.run({ owner, content, most: maxParents });
      this.#statements.recordUse.run(at, owner, content);
      this.#statements.recordUseOfParents.run(at, owner, content, owner, maxParents);
    }
  }

  #recordMisses({ misses }: Of<'record misses'>): void {
    for (const { repository, reference, times, firstAt, lastAt } of misses)
      this.#statements.recordMiss.run({ repository, reference, times, firstAt, lastAt });
    const behind = this.#statements.missBehind.get(maxMisses);
    if (behind !== undefined) this.#statements.forgetMisses.run({ ...behind });
  }

  #pinTag({ repository, tag, isPinned }: Of<'pin tag'>): void {
    const owner = this.#statements.findRepository.get(repository)?.id;
    if (owner === undefined) return;
    const { changes } = this.#statements.pinTag.run(Number(isPinned), owner, tag, Number(isPinned));
    // Whoever keeps a list of tags has it there.
    if (changes > 0) this.#changes.add('tag', repository, tag);
  }

  #repository(name: RepositoryName): number {
    return (
      this.#statements.findRepository.get(name) ?? this.#statements.addRepository.get(name, hostOf(name))
    )?.id as number;
  }

  #content(digest: Digest): number {
    return this.#contentOf(digest).id;
  }

  #contentOf(digest: Digest): ContentRow {
    const known = this.#statements.findContent.get(digest);
    if (known !== undefined) return known;
    const id = Number(this.#statements.addContent.run(digest).lastInsertRowid);
    return { id, size: null, stored_at: null };
  }
}

function dayOf(at: number): number {
  return Math.floor(at / dayMs);
}
