import { LRUCache } from 'lru-cache';
import type { Clock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { ownBytes } from '../../base/own-bytes.ts';
import type { TaskSet } from '../../base/task-set.ts';
import type { Tell } from '../../observe/content-event.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { type ManifestContent, maxDescriptors } from '../../oci/manifest.ts';
import { contentKey, type Digest, type RepositoryName, type Tag } from '../../oci/reference.ts';
import type { Manifest } from '../../oci/registry.ts';
import type { ContentStore } from '../../storage/content-store.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { type Change, doubtTag, putTag, tagIsGone } from '../../storage/operation.ts';
import type { ManifestRecord, TagRecord } from '../../storage/records.ts';
import { MissingContentError } from '../../storage/requirements.ts';
import { unlimitedRoom } from '../../storage/store-room.ts';
import type { Backlog } from '../fills/backlog.ts';
import type { BlobSizes } from './blob-sizes.ts';
import { notVouchedFor } from './freshness.ts';
import { HeldDigests } from './held-digests.ts';
import { type Announcement, type Asked, KnownTags, tagKey } from './known-tags.ts';
import { LostFiles } from './lost-files.ts';
import type { Memory } from './memory.ts';
import { contentOf, recordOf, StoredManifests } from './stored-manifests.ts';
import { type Storing, UnstoredManifests } from './unstored-manifests.ts';

const usualBytes = 64 * 1024 * 1024;
/** Tags of which it was told that they are gone are remembered, so many of them: it is told once. */
const maxGone = 10_000;
/** What each takes besides its bytes: some 700 in V8's heap, 200 for a buffer of its own. */
const perManifest = 1024;

export interface ManifestCacheParts {
  readonly content: ContentStore;
  readonly metadata: MetadataStore;
  readonly sizes: BlobSizes;
  readonly backlog: Backlog;
  readonly tasks: TaskSet;
  readonly clock: Clock;
  readonly log: Log;
  /** Told after each change that another reader of the directory could see. */
  readonly changed: () => void;
  /** Told of manifests that have come from upstream, and of tags that it has moved or lost. Default: nobody is. */
  readonly tell?: Tell | undefined;
  /** What memory holds of manifests; the stores hold all. Default: 64 MiB. */
  readonly maxBytes?: number;
}

/**
 * Manifests and tags: memory in front of the stores. What is kept is in memory when the store takes it, and in the store soon after;
 * what the store did not take is tried again, in the background, when somebody asks for it.
 */
export class ManifestCache implements Memory {
  readonly #parts: ManifestCacheParts;
  readonly #manifests: LRUCache<string, Manifest>;
  readonly #held = new HeldDigests();
  readonly #lost: LostFiles;
  readonly #unstored: UnstoredManifests;
  readonly #tags: KnownTags;
  /** What memory says of tags and the store does not, and where they pointed there as far as is known. */
  readonly #unstoredTags = new WeakMap<TagRecord, Digest | undefined>();
  readonly #stored: StoredManifests;
  readonly #gone = new LRUCache<string, true>({ max: maxGone });
  /** What was read of the store before somebody else changed it is not remembered. */
  #forgotten = 0;

  constructor(parts: ManifestCacheParts) {
    this.#parts = parts;
    this.#manifests = new LRUCache({
      maxSize: parts.maxBytes ?? usualBytes,
      sizeCalculation: ({ bytes }) => bytes.length + perManifest,
      dispose: ({ descriptor: { digest } }, key, reason) => {
        if (reason === 'set') return;
        this.#unstored.forget(key);
        this.#held.delete(repositoryIn(key, digest), digest);
      },
    });
    this.#stored = new StoredManifests(parts);
    this.#lost = new LostFiles({
      ...parts,
      what: 'manifest',
      write: async (digest, bytes) => await this.#stored.write(digest, bytes),
      owners: async (digest) => await this.#ownersOf(digest),
      bytesOf: (repository, digest) => this.#manifests.peek(contentKey(repository, digest))?.bytes,
      // A manifest that is known counts, whether its file is there or not.
      room: unlimitedRoom,
    });
    this.#tags = new KnownTags(parts.clock);
    this.#unstored = new UnstoredManifests(parts.clock);
  }

  /** By memory alone: undefined also for want of having looked. `key`: {@link contentKey} of both, from who asks often. */
  known(
    repository: RepositoryName,
    digest: Digest,
    key = contentKey(repository, digest),
  ): Manifest | undefined {
    const known = this.#manifests.get(key);
    if (known !== undefined && this.#unstored.has(key)) this.#storeAgain(repository, known);
    return known;
  }

  /** Undefined: not cached for this repository, or its bytes are gone or damaged. */
  async find(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const known = this.known(repository, digest);
    if (known !== undefined) return known;
    const key = contentKey(repository, digest);
    const before = this.#forgotten;
    const manifest = await this.#stored.get(repository, digest);
    // What was damaged when it was read may have been fetched meanwhile.
    const kept = this.#manifests.get(key);
    // It may have been put aside just now, and be another's too.
    if (manifest === undefined && this.#held.has(digest)) this.#lost.look(digest);
    if (kept !== undefined || manifest === undefined) return kept;
    if (this.#forgotten === before) this.#hold(repository, key, own(manifest));
    return manifest;
  }

  /** As {@link known}. */
  knownTag(repository: RepositoryName, tag: Tag, key?: string): TagRecord | undefined {
    const known = this.#tags.get(repository, tag, key);
    if (known === undefined || this.#leadsOn(repository, known)) return known;
    this.#tags.drop(repository, known);
    return undefined;
  }

  async findTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const known = this.knownTag(repository, tag);
    if (known !== undefined) return known;
    const before = this.#forgotten;
    const record = await this.#parts.metadata.getTag(repository, tag);
    if (record === undefined) return this.#tags.get(repository, tag);
    if (this.#forgotten !== before) return this.#tags.get(repository, tag) ?? record;
    return this.#tags.recall(repository, record);
  }

  /** Not what the store is still to be told: that is newer. */
  forget(change: Change): void {
    this.#forgotten += 1;
    if (change.kind === 'tag')
      this.#forgetTag(change.repository, this.#tags.get(change.repository, change.tag));
    else if (change.kind === 'manifest') this.#forgetManifest(contentKey(change.repository, change.digest));
    else if (this.#held.has(change.digest)) this.#lost.look(change.digest);
  }

  forgetAll(): void {
    this.#forgotten += 1;
    for (const key of [...this.#manifests.keys()]) this.#forgetManifest(key);
    for (const { repository, record } of [...this.#tags.all()]) this.#forgetTag(repository, record);
  }

  /** Of those of which memory has it: some may have it no more. */
  async #ownersOf(digest: Digest): Promise<readonly RepositoryName[]> {
    const owners: RepositoryName[] = [];
    for (const repository of this.#held.of(digest))
      if ((await this.#parts.metadata.getManifest(repository, digest)) !== undefined) owners.push(repository);
    return owners;
  }

  #forgetTag(repository: RepositoryName, record: TagRecord | undefined): void {
    if (record !== undefined && this.isStored(record)) this.#tags.forget(repository, record);
  }

  #forgetManifest(key: string): void {
    if (!this.#unstored.has(key)) this.#manifests.delete(key);
  }

  /** To be called before upstream is asked where a tag points; handed back with the answer. */
  asking(): Asked {
    return this.#tags.asking();
  }

  /** Where upstream has said that the tag points now, whose manifest is not here. */
  announced(repository: RepositoryName, tag: Tag): Announcement | undefined {
    return this.#tags.announced(repository, tag);
  }

  /** Has upstream said of a tag that it points there? */
  isAnnounced(repository: RepositoryName, digest: Digest): boolean {
    return this.#tags.announcementsOf(repository, digest).length > 0;
  }

  /** Remembers it until the manifest comes: then the tag points there. */
  async announce(repository: RepositoryName, tag: Tag, descriptor: Descriptor, asked: Asked): Promise<void> {
    const here = this.#manifests.get(contentKey(repository, descriptor.digest));
    if (here === undefined) this.#tags.announce(repository, tag, descriptor, asked);
    else await this.keepTag(repository, here, tag, asked);
  }

  /**
   * Tags that were announced to point at it do so from now on. Settles when the store takes it, or cannot in time: whoever answers
   * with it waits for that. Nobody finds it here before, for what a client has will soon survive a crash. Of what is in memory
   * already nobody waits for anything: it, or what of its tags the store lacks, is stored in the background.
   */
  async keep(repository: RepositoryName, manifest: Manifest): Promise<void> {
    await this.#keep(repository, manifest, () => this.#arrived(repository, manifest));
  }

  /**
   * The manifest is kept too: a tag never points at what is not there. An answer that another has overtaken moves no tag; one
   * in which upstream contradicted itself is never fresh. Settles as {@link keep}.
   */
  async keepTag(repository: RepositoryName, manifest: Manifest, tag: Tag, asked: Asked): Promise<void> {
    const { descriptor, contradicts } = manifest;
    const checkedAt = contradicts === undefined ? asked.at : notVouchedFor;
    await this.#keep(repository, manifest, () => {
      const record: TagRecord = { tag, descriptor, checkedAt };
      return [...this.#point(repository, record, asked), ...this.#arrived(repository, manifest)];
    });
  }

  /** Does the store know of it? Not yet, or it had no room. */
  isStored(record: TagRecord): boolean {
    return !this.#unstoredTags.has(record);
  }

  /** Upstream has said that the tag still points there. */
  touch(repository: RepositoryName, { tag, descriptor }: TagRecord, asked: Asked): void {
    const record: TagRecord = { tag, descriptor, checkedAt: asked.at };
    if (!this.#tags.point(repository, record, asked)) return;
    this.#gone.delete(tagKey(repository, tag));
    this.#parts.tasks.run('storing a tag', async () => {
      try {
        await this.#putTag(repository, record);
      } finally {
        await this.#compare(repository, record);
      }
    });
  }

  /**
   * Somebody has told that the tag may have moved or gone: upstream is asked before it is fresh again, and what upstream was asked before that does not
   * count. At once; settles when it is recorded. Throws the store's errors.
   */
  async doubt(repository: RepositoryName, tag: Tag): Promise<void> {
    if ((await this.findTag(repository, tag)) === undefined) return;
    this.#unvouch(repository, tag, this.asking());
    await this.#parts.metadata.change([doubtTag(repository, tag)]);
  }

  /** Upstream has said that it has no such tag: what is cached of it, if that is known, may be all there is, and is fresh no longer. */
  gone(repository: RepositoryName, tag: Tag, asked: Asked): void {
    const { clock, metadata, tasks, tell } = this.#parts;
    if (!this.#unvouch(repository, tag, asked)) return;
    const key = tagKey(repository, tag);
    if (!this.#gone.has(key)) tell?.({ kind: 'gone', at: clock.now(), repository, tag });
    this.#gone.set(key, true);
    tasks.run('recording that a tag is gone', async () => {
      await metadata.change([tagIsGone(repository, tag, clock.now())]);
    });
  }

  /** False: nothing is known of the tag, or a later question was answered. */
  #unvouch(repository: RepositoryName, tag: Tag, asked: Asked): boolean {
    const known = this.#tags.get(repository, tag);
    if (known === undefined) return false;
    const record: TagRecord = { ...known, checkedAt: notVouchedFor };
    if (!this.#tags.point(repository, record, asked)) return false;
    if (this.isStored(known)) return true;
    this.#unstoredTags.set(record, this.#unstoredTags.get(known));
    this.#lead(repository, known, [record]);
    return true;
  }

  /** The tags that were announced to point at what has come. */
  #arrived(repository: RepositoryName, { descriptor }: Manifest): TagRecord[] {
    return this.#tags.announcementsOf(repository, descriptor.digest).flatMap(({ tag, asked }) => {
      const record: TagRecord = { tag, descriptor, checkedAt: asked.at };
      return this.#point(repository, record, asked);
    });
  }

  /** Empty, and nothing is changed, where a later answer is known. */
  #point(repository: RepositoryName, record: TagRecord, asked: Asked): TagRecord[] {
    const before = this.#tags.get(repository, record.tag);
    if (!this.#tags.point(repository, record, asked)) return [];
    const was =
      before === undefined || this.isStored(before)
        ? before?.descriptor.digest
        : this.#unstoredTags.get(before);
    this.#unstoredTags.set(record, was);
    this.#gone.delete(tagKey(repository, record.tag));
    this.#tellOfMove(repository, record, before?.descriptor.digest);
    return [record];
  }

  #tellOfMove(
    repository: RepositoryName,
    { tag, descriptor: { digest: to } }: TagRecord,
    from: Digest | undefined,
  ): void {
    if (from === undefined || from === to) return;
    const { clock, tell } = this.#parts;
    tell?.({ kind: 'moved', at: clock.now(), repository, tag, from, to });
  }

  /** `point` says, once it is here, which tags point at it from now on. */
  async #keep(
    repository: RepositoryName,
    manifest: Manifest,
    point: () => readonly TagRecord[],
  ): Promise<void> {
    if (this.#manifests.has(contentKey(repository, manifest.descriptor.digest))) {
      this.#lead(repository, manifest, point());
      this.#storeAgain(repository, manifest);
      return;
    }
    const content = manifest.content ?? (await contentOf(repository, manifest));
    const record = recordOf(manifest, content);
    const admitted = Promise.withResolvers<void>();
    this.#parts.tasks.run('storing a manifest', async () => {
      using _ = manifest.room?.share();
      using place = await this.#place(manifest);
      // Its blobs are asked for next.
      const unnamed = await this.#parts.metadata.foresee(content.blobs.map(({ digest }) => digest));
      this.#remember(repository, manifest, content, unnamed);
      const tags = point();
      this.#lead(repository, manifest, tags);
      this.#tellOfFill(repository, manifest, tags[0]?.tag);
      admitted.resolve();
      const storing = this.#unstored.begin(contentKey(repository, record.descriptor.digest));
      if (storing !== undefined) await this.#storeRest(repository, manifest, storing, place, record);
    });
    await admitted.promise;
  }

  #tellOfFill(repository: RepositoryName, { descriptor }: Manifest, tag: Tag | undefined): void {
    const { clock, tell } = this.#parts;
    tell?.({ kind: 'fill', at: clock.now(), repository, descriptor, tag });
  }

  #lead(
    repository: RepositoryName,
    { descriptor }: Pick<Manifest, 'descriptor'>,
    tags: readonly TagRecord[],
  ): void {
    this.#unstored.addTags(contentKey(repository, descriptor.digest), tags);
  }

  /** What the store did not take when it came, and tags that were pointed at it since; a tag alone needs no place. */
  #storeAgain(repository: RepositoryName, manifest: Manifest): void {
    const storing = this.#unstored.again(contentKey(repository, manifest.descriptor.digest));
    if (storing === undefined) return;
    this.#parts.tasks.run('storing a manifest again', async () => {
      using _ = manifest.room?.share();
      using place = storing.isWritten ? undefined : await this.#place(manifest);
      await this.#storeRest(repository, manifest, storing, place);
    });
  }

  async #storeRest(
    repository: RepositoryName,
    manifest: Manifest,
    storing: Storing,
    place: Disposable | undefined,
    record?: ManifestRecord,
  ): Promise<void> {
    using _ = storing;
    if (place === undefined && !storing.isWritten) return;
    const isNews = !storing.isWritten || storing.tags.size > 0;
    // Places are for what the disk has to do.
    const letGo = (): void => place?.[Symbol.dispose]();
    if (!storing.isWritten) await this.#put(repository, manifest, record, letGo);
    storing.isWritten = true;
    // Also those that come meanwhile.
    for (const tag of storing.tags.values()) {
      // Its image was removed meanwhile: who asks for it now has it stored once more, as what was not taken.
      if (!(await this.#putTag(repository, tag, letGo))) return;
      await this.#compare(repository, tag);
      if (storing.tags.get(tag.tag) === tag) storing.tags.delete(tag.tag);
    }
    if (isNews) this.#parts.changed();
  }

  async #put(
    repository: RepositoryName,
    manifest: Manifest,
    record: ManifestRecord | undefined,
    locked: () => void,
  ): Promise<void> {
    const known = record ?? recordOf(manifest, await contentOf(repository, manifest));
    await this.#stored.put(repository, known, manifest.bytes, locked);
  }

  /** Undefined: the store cannot take it in time. */
  async #place({ bytes, descriptor }: Manifest): Promise<Disposable | undefined> {
    try {
      return await this.#parts.backlog.admit(bytes.length);
    } catch (error) {
      const { digest } = descriptor;
      this.#parts.log.warn({ err: error, digest }, 'manifest cannot be stored: passing it through');
      return undefined;
    }
  }

  /** What is known by now counts: an older answer may be stored after a newer one. False: the store has its manifest no longer. */
  async #putTag(repository: RepositoryName, record: TagRecord, locked?: () => void): Promise<boolean> {
    const known = this.#tags.get(repository, record.tag);
    if (known !== undefined && known !== record) return true;
    const was = this.#unstoredTags.get(record);
    try {
      await this.#parts.metadata.change([putTag(repository, record, was)], locked);
    } catch (error) {
      if (error instanceof MissingContentError) return false;
      throw error;
    }
    this.#unstoredTags.delete(record);
    return true;
  }

  /** Another process may have moved it, or removed its manifest, before we could say something: then the store's word counts. */
  async #compare(repository: RepositoryName, record: TagRecord): Promise<void> {
    const there = await this.#parts.metadata.getTag(repository, record.tag);
    if (there?.descriptor.digest !== record.descriptor.digest) this.#tags.forget(repository, record);
  }

  /** A tag that is in memory alone is worth nothing without its manifest. */
  #leadsOn(repository: RepositoryName, record: TagRecord): boolean {
    return this.isStored(record) || this.#manifests.has(contentKey(repository, record.descriptor.digest));
  }

  /** What is too large for all of memory it does not hold. */
  #hold(repository: RepositoryName, key: string, manifest: Manifest): void {
    this.#manifests.set(key, manifest);
    if (this.#manifests.has(key)) this.#held.add(repository, manifest.descriptor.digest);
  }

  /** Another may have brought it meanwhile. */
  #remember(
    repository: RepositoryName,
    { bytes, descriptor, room }: Manifest,
    content: ManifestContent,
    unnamed: ReadonlySet<Digest>,
  ): void {
    const { digest } = descriptor;
    const key = contentKey(repository, digest);
    if (this.#manifests.has(key)) return;
    const { log } = this.#parts;
    if (content.isHuge) {
      const message = `a manifest names more than ${maxDescriptors} blobs or manifests: it is served, and the image is not completed`;
      log.warn({ repository, digest }, message);
    }
    this.#hold(repository, key, own({ descriptor, bytes, room }));
    this.#unstored.add(key);
    this.#parts.sizes.claim(repository, content.blobs, unnamed);
  }
}

/** Of a {@link contentKey} of both. */
function repositoryIn(key: string, digest: Digest): RepositoryName {
  return key.slice(0, -digest.length - 1) as RepositoryName;
}

/** What it weighs by its count, and no more. */
function own({ descriptor, bytes, room }: Manifest): Manifest {
  return { descriptor, bytes: ownBytes(bytes), ...(room && { room }) };
}
