import type { Database } from 'better-sqlite3';
import type { Descriptor } from '../../oci/descriptor.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { Operation } from '../operation.ts';
import type { Stamp } from '../stamp.ts';
import type { ChangeLog } from './change-log.ts';
import { ChangeTotals } from './change-totals.ts';
import type { UnknownDigests } from './unknown-digests.ts';
import { type ContentRow, prepareWrites } from './write-statements.ts';

type Of<Kind extends Operation['kind']> = Extract<Operation, { kind: Kind }>;

/** Lists as they are kept: written out before, in turns of the event loop. */
export type WrittenOut = (operation: Of<'put tag list'> | Of<'put referrers list'>) => string;

/** Of a tag so many former places are kept. */
export const maxFormerTags = 100;
/** An index that leads to a manifest is used with it; some child that very many share counts for so many. */
const maxParents = 20;
/** A blob that more repositories own is brought to the others when somebody asks for it. */
const maxWanting = 500;

/** No limit. */
const all = -1;

/** Does operations inside a transaction of the caller's. */
export class OperationWriter {
  readonly #statements: ReturnType<typeof prepareWrites>;
  readonly #changes: ChangeLog;
  readonly #unknown: UnknownDigests;
  readonly #totals: ChangeTotals;
  readonly #now: () => number;

  constructor(database: Database, changes: ChangeLog, unknown: UnknownDigests, now: () => number) {
    this.#statements = prepareWrites(database);
    this.#changes = changes;
    this.#unknown = unknown;
    this.#totals = new ChangeTotals(database);
    this.#now = now;
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
      case 'remove manifest':
        this.#removeManifest(operation);
        return;
      case 'put tag':
        this.#putTag(operation);
        return;
      case 'link blob':
        this.#linkBlob(operation);
        return;
      case 'note scrub':
        this.#statements.noteScrub.run(operation.place.after ?? null, operation.place.begunAt);
        return;
      case 'note check':
        this.#noteCheck(operation);
        return;
      case 'lose blob':
        this.#loseBlob(operation);
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
      case 'record uses':
        this.#recordUses(operation);
    }
  }

  /** Makes digests known, which says nothing of them. */
  name(digests: readonly Digest[]): void {
    this.#statements.nameContents.run(JSON.stringify(digests));
  }

  /** Do more than so many tags point at the manifest? */
  hasTags(repository: RepositoryName, digest: Digest, count: number): boolean {
    const known = this.#known(repository, digest);
    if (known === undefined) return false;
    return this.#statements.tagsOf.all(known.owner, known.content, count + 1).length > count;
  }

  /** Removes at most so many of the tags that point at the manifest. */
  forgetTags(repository: RepositoryName, digest: Digest, limit: number): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    const tags = this.#statements.tagsOf.all(known.owner, known.content, limit);
    for (const { tag } of tags) {
      this.#rememberTag(known.owner, tag, 'removed');
      this.#statements.removeTag.run(known.owner, tag);
      this.#changes.add('tag', repository, tag);
    }
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
    if (isNew) this.#totals.add([host, ''], { manifests: 1, manifestBytes: size });
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

  #removeManifest({ repository, digest }: Of<'remove manifest'>): void {
    const known = this.#known(repository, digest);
    if (known === undefined) return;
    const { owner, content } = known;
    const removed = this.#statements.hasManifest.get(owner, content);
    if (removed === undefined) return;
    this.forgetTags(repository, digest, all);
    this.#statements.unwantUnnamed.run({ owner, content });
    this.#statements.removeManifest.run(owner, content);
    this.#totals.add([hostOf(repository), ''], { manifests: -1, manifestBytes: -removed.size });
    this.#changes.add('manifest', repository, digest);
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
    if (moves && there !== undefined) this.#rememberTag(owner, tag, 'moved');
    this.#statements.putTag.run({ owner, tag, manifest, checkedAt, since: checkedAt || now });
    if (moves) this.#changes.add('tag', repository, tag);
  }

  /** Where it points now is history. */
  #rememberTag(owner: number, tag: string, why: 'moved' | 'removed'): void {
    const former = this.#statements.getFormerTag.get(owner, tag);
    if (former === undefined) return;
    const { digest, first_seen, last_seen } = former;
    this.#statements.rememberTag.run(owner, tag, digest, first_seen, last_seen, why);
    const behind = this.#statements.formerTagBehind.get(owner, tag, maxFormerTags);
    if (behind !== undefined) this.#statements.forgetFormerTags.run(owner, tag, behind.id);
  }

  #linkBlob(operation: Of<'link blob'>): void {
    const before = this.#contentOf(operation.digest);
    this.#link(operation, before);
    if (operation.stamp !== undefined) this.#setStamp(before.id, operation.stamp);
  }

  #link({ repository, digest, verified, origin }: Of<'link blob'>, before: ContentRow): void {
    const [owner, host] = [this.#repository(repository), hostOf(repository)];
    const { id: content } = before;
    const size = verified ?? before.size;
    const isSame = before.stored_at !== null && size === before.size;
    if (isSame && this.#statements.hasLink.get(content, host, owner) !== undefined) return;
    this.#store(digest, before, size, () => this.#statements.link.run(content, host, owner, origin));
    // Who owned it before lacks it no more either, where it was not here.
    if (before.stored_at !== null) this.#statements.unwant.run(content, owner);
  }

  #noteCheck({ digest, size, stamp }: Of<'note check'>): void {
    const before = this.#statements.findContent.get(digest);
    if (before === undefined || before.stored_at === null) return;
    this.#store(digest, before, size);
    this.#setStamp(before.id, stamp);
  }

  /** SQLite has no number above half of what an inode may be: the others are negative. */
  #setStamp(content: number, { inode, modifiedAt, changedAt }: Stamp): void {
    this.#statements.setStamp.run({ content, inode: BigInt.asIntN(64, inode), modifiedAt, changedAt });
  }

  /**
   * Its bytes are here: those who own it lack it no more. `size` as it was verified. Other processes are told where it is new that somebody owns
   * what is here.
   */
  #store(digest: Digest, before: ContentRow, size: number | null, link?: () => void): void {
    const { id: content } = before;
    this.#unknown.delete(digest);
    const isHere = before.stored_at !== null;
    if (isHere && size === before.size && link === undefined) return;
    const wasOwned = isHere && this.#count(content, -1, before.size);
    this.#statements.setStored.run({ content, size, now: this.#now() });
    link?.();
    if (!this.#count(content, 1, size)) return;
    if (!isHere) this.#statements.unwantOwned.run(content);
    if (!wasOwned) this.#changes.add('blob', undefined, digest);
  }

  #loseBlob({ digest }: Of<'lose blob'>): void {
    const before = this.#statements.findContent.get(digest);
    if (before === undefined || before.stored_at === null) return;
    const { id: content } = before;
    this.#count(content, -1, before.size);
    this.#statements.setLost.run(content);
    for (const { repository, size } of this.#statements.ownersInNeed.all(content, maxWanting))
      this.#statements.want.run(content, repository, size, this.#now());
    this.#changes.add('blob', undefined, digest);
  }

  #recordUses({ uses }: Of<'record uses'>): void {
    for (const { repository, digest, at } of uses) {
      const known = this.#known(repository, digest);
      if (known === undefined) continue;
      const { owner, content } = known;
      this.#statements.recordUse.run(at, owner, content);
      this.#statements.recordUseOfParents.run(at, owner, content, owner, maxParents);
    }
  }

  /** Of what is here each registry counts what one of its repositories owns; all together count it once. False: nobody does. */
  #count(content: number, sign: 1 | -1, size: number | null): boolean {
    const hosts = [...this.#hostsOf(content)];
    if (hosts.length === 0) return false;
    this.#totals.add([...hosts, ''], { blobs: sign, blobBytes: sign * (size ?? 0) });
    return true;
  }

  *#hostsOf(content: number): Iterable<string> {
    for (let last = ''; ; ) {
      const host = this.#statements.hostBehind.get(content, last)?.host ?? null;
      if (host === null) return;
      yield host;
      last = host;
    }
  }

  /** Undefined: nothing was ever said of them, so that there is nothing to change. */
  #known(
    name: RepositoryName,
    digest: Digest,
  ): { readonly owner: number; readonly content: number } | undefined {
    const owner = this.#statements.findRepository.get(name)?.id;
    const content = this.#statements.findContent.get(digest)?.id;
    return owner === undefined || content === undefined ? undefined : { owner, content };
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
