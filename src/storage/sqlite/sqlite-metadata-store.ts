import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../../oci/reference.ts';
import { StoreFullError } from '../content-store.ts';
import type { DiscardedContent } from '../discarded-content.ts';
import type { EventQueue } from '../event-queue.ts';
import type { ImageGraph } from '../image-graph.ts';
import type { Inventory } from '../inventory.ts';
import type { MetadataStore } from '../metadata-store.ts';
import type { Changes, Operation } from '../operation.ts';
import type {
  CheckedContent,
  FormerTag,
  KnownName,
  ManifestRecord,
  MissingBlob,
  Owner,
  ScrubPlace,
  StoredPage,
  UploadRecord,
  WantedBlob,
} from '../records.ts';
import { ChangeLog } from './change-log.ts';
import { ChangeWatch } from './change-watch.ts';
import { Checkpoints, lastResortPages } from './checkpoints.ts';
import { tellDamage, watchDamage } from './damage-watch.ts';
import { maxFormerTags } from './former-tags.ts';
import { IndexReads } from './index-reads.ts';
import { KnownNames } from './known-names.ts';
import { keepReserve, type Opening, openDatabase, openInMemory, type Sharing } from './open-database.ts';
import { rowsBySlices, sliceRows } from './slices.ts';
import { damaged, isFull, isNoIndex } from './sqlite-errors.ts';
import { SqliteEventQueue } from './sqlite-event-queue.ts';
import { SqliteImageGraph } from './sqlite-image-graph.ts';
import { SqliteInventory } from './sqlite-inventory.ts';
import { checkedOf, descriptorOf, type NamedRow, prepareReads, uploadOf } from './statements.ts';
import { UnknownDigests } from './unknown-digests.ts';
import { WalSync } from './wal-sync.ts';
import { WriteBatch } from './write-batch.ts';
import { OperationWriter } from './write-operation.ts';
import { writtenList } from './written-list.ts';

/** About what a digest with its size takes in memory that waits to be written. */
const bytesPerItem = 256;
/** So many rows of what may be thousands are written in one transaction. */
const rowsAtOnce = 100;

type Removal = Extract<Operation, { kind: 'remove manifest' }>;

interface Settings {
  readonly clock?: Clock | undefined;
  /** It takes nothing: whoever asks would make it grow. */
  readonly isFull?: boolean | undefined;
  /** Takes the files of what is discarded. Default: there are none. */
  readonly discarded?: DiscardedContent | undefined;
  /** Told whenever the file is found to be damaged, which SQLite may open all the same. */
  readonly damaged?: ((path: string) => void) | undefined;
  /** Of the file so many bytes stay in memory. Default: 16 MB. */
  readonly indexPages?: number | undefined;
}

/**
 * What is known, in one SQLite file or in memory. Calls are synchronous inside (a few microseconds); what was written in one turn of
 * the event loop is one transaction, visible when the calls settle, and survives a power cut half a second later. Nothing waits
 * synchronously for another process: what it has locked is written later.
 */
export class SqliteMetadataStore extends IndexReads implements MetadataStore {
  readonly inventory: Inventory;
  readonly graph: ImageGraph;
  readonly events: EventQueue;
  /** The file that is open; in memory none. */
  readonly path: string;
  readonly #database: Database;
  readonly #reads: ReturnType<typeof prepareReads>;
  readonly #names: KnownNames;
  readonly #watch: ChangeWatch;
  readonly #unknown: UnknownDigests;
  readonly #writer: OperationWriter;
  readonly #writes: WriteBatch;
  readonly #sync: WalSync | undefined;
  readonly #checkpoints: Checkpoints | undefined;
  /** It takes nothing, and every change throws StoreFullError. */
  readonly isFull: boolean;
  readonly #discarded: DiscardedContent | undefined;

  private constructor(
    database: Database,
    path: string | undefined,
    {
      clock = systemClock,
      isFull = false,
      discarded,
      damaged: found,
      sharing = 'shared',
      indexPages,
    }: Settings & { sharing?: Sharing | undefined },
  ) {
    const reads = prepareReads(database);
    super(reads);
    // Negative: KiB, and not pages.
    if (indexPages !== undefined) database.pragma(`cache_size = ${-Math.ceil(indexPages / 1024)}`);
    this.isFull = isFull;
    this.path = path ?? '';
    this.#database = database;
    if (path !== undefined && found !== undefined) watchDamage(database, () => found(path));
    this.#reads = reads;
    this.#names = new KnownNames(database);
    this.#unknown = new UnknownDigests((digests) => reads.foresee.all(digests));
    const changes = new ChangeLog(database);
    // Nobody else has what is in memory.
    const watched = path === undefined ? undefined : clock;
    this.#watch = new ChangeWatch(changes, watched, (told) => this.#unknown.forget(told));
    const [unknown, now] = [this.#unknown, () => clock.now()];
    this.#writer = new OperationWriter({ database, changes, unknown, discarded, now });
    this.#discarded = discarded;
    // Where nobody else may open it there is no second connection either.
    if (path !== undefined && sharing === 'shared') {
      this.#checkpoints = new Checkpoints(path, () => this.#writes.hold());
      database.pragma(`wal_autocheckpoint = ${lastResortPages}`);
    }
    if (path !== undefined) this.#sync = new WalSync(path);
    this.#writes = new WriteBatch(database, clock, () => this.#committed());
    this.inventory = new SqliteInventory(database, clock);
    this.graph = new SqliteImageGraph(database, clock);
    this.events = new SqliteEventQueue(database);
  }

  /** `directory` exists. Errors as {@link openDatabase}. */
  static async open(
    directory: string,
    { sharing, opening, ...settings }: Settings & { sharing?: Sharing; opening?: Opening } = {},
  ): Promise<SqliteMetadataStore> {
    const { database, ...opened } = await openDatabase(directory, sharing, opening);
    const store = SqliteMetadataStore.#over(database, opened.path, { ...settings, isFull: opened.isFull });
    await keepReserve(directory);
    return store;
  }

  /** A file of the right version may have anything else in it. Throws DamagedIndexError. */
  static #over(database: Database, path: string, settings: Settings): SqliteMetadataStore {
    try {
      const sharing = isExclusive(database) ? 'alone' : 'shared';
      return new SqliteMetadataStore(database, path, { ...settings, sharing });
    } catch (error) {
      database.close();
      // Not for what it lacks.
      if (settings.isFull === true) throw new StoreFullError(`no room to open ${path}`, { cause: error });
      throw isNoIndex(error) ? damaged(path, error) : error;
    }
  }

  /** Gone with the process. */
  static inMemory(settings: Settings = {}): SqliteMetadataStore {
    return new SqliteMetadataStore(openInMemory(), undefined, settings);
  }

  async change(operations: readonly Operation[], locked?: () => void): Promise<void> {
    if (this.isFull) throw new StoreFullError('there is no room for the index');
    const texts = new Map<Operation, string>();
    for (const operation of operations)
      if ('list' in operation) texts.set(operation, await writtenList(operation.list.items));
    const bytes = operations.reduce((sum, operation) => sum + bytesOf(operation, texts.get(operation)), 0);
    const rows = operations.reduce((sum, operation) => sum + rowsOf(operation), 0);
    const work = (): void => this.#writer.write(operations, (list) => texts.get(list) ?? '[]');
    try {
      // What could hold up others in one transaction, and may as well be done before it: if it is not, it is done in it.
      for (const operation of operations) {
        if ('manifest' in operation) this.#nameChildren(operation.manifest, locked);
        if (operation.kind === 'remove manifest' && this.#hasManyTags(operation))
          await this.#forgetManyTags(operation, locked);
      }
      await this.#writes.add(work, { bytes, rows, locked });
    } catch (error) {
      // What was moved for a change that was not made lies where it was again.
      await this.#settleDiscarded(operations);
      tellDamage(this.#database, error);
      throw isFull(error) ? new StoreFullError('no room left for the index', { cause: error }) : error;
    }
  }

  async #settleDiscarded(operations: readonly Operation[]): Promise<void> {
    const lost = operations.flatMap((operation) => (movesFiles(operation) ? operation.digests : []));
    if (lost.length === 0) return;
    const stored = await Promise.all(lost.map(async (digest) => await this.graph.content(digest)));
    for (const [at, digest] of lost.entries())
      if (stored[at]?.storedAt !== undefined) this.#discarded?.restore(digest);
  }

  #hasManyTags({ repository, digest }: Removal): boolean {
    return this.#writer.removals.hasTags(repository, digest, rowsAtOnce);
  }

  async #forgetManyTags(removal: Removal, locked: (() => void) | undefined): Promise<void> {
    const { repository, digest } = removal;
    const forget = (): void => this.#writer.removals.forgetTags(repository, digest, rowsAtOnce);
    while (this.#hasManyTags(removal)) await this.#writes.add(forget, { rows: rowsAtOnce, locked });
  }

  /** A digest that is nobody's child says nothing. */
  #nameChildren({ blobs, manifests = [] }: ManifestRecord, locked: (() => void) | undefined): void {
    const digests = [...blobs, ...manifests].map(({ digest }) => digest);
    if (digests.length <= rowsAtOnce) return;
    for (const slice of slicesOf(digests, rowsAtOnce)) {
      const name = (): void => this.#writer.name(slice);
      this.#writes
        .add(name, { bytes: slice.length * bytesPerItem, rows: slice.length, locked })
        .catch(() => {});
    }
  }

  hurry(): void {
    this.#writes.hurry();
  }

  #committed(): void {
    this.#sync?.soon();
    this.#checkpoints?.committed();
  }

  watch(listener: (changes: Changes) => void): Disposable {
    return this.#watch.add(listener);
  }

  /** Where nobody is told of what others change nothing is remembered. */
  async foresee(digests: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    return this.#watch.isWatching ? this.#unknown.foresee(digests) : new Set();
  }

  override async hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return !this.#unknown.has(digest) && (await super.hasBlob(repository, digest));
  }

  async listFormerTags(repository: RepositoryName, tag: Tag): Promise<readonly FormerTag[]> {
    const rows = this.#reads.listFormerTags.all(repository, tag, maxFormerTags);
    return rows.map(({ digest, first_seen, last_seen, why }) => ({
      ...{ digest: digest as Digest, why },
      ...{ firstSeen: first_seen, lastSeen: last_seen },
    }));
  }

  async *listNames(): AsyncIterable<KnownName> {
    // A repository without a name is looked up, too.
    let inTurn = 0;
    for (const repository of this.#allRepositories()) {
      for (const name of this.#names.of(repository)) {
        if (name !== undefined) yield name;
        inTurn += 1;
        if (inTurn % sliceRows === 0) await setImmediate();
      }
      inTurn += 1;
      if (inTurn % sliceRows === 0) await setImmediate();
    }
  }

  #allRepositories(): Iterable<NamedRow> {
    return rowsBySlices((last, limit) => this.#reads.sliceRepositories.all(last?.name ?? '', limit));
  }

  async listRepositories(options: {
    last?: string | undefined;
    limit: number;
  }): Promise<readonly RepositoryName[]> {
    const rows = this.#reads.listRepositories.all(options.last ?? '', options.limit);
    return rows.map(({ name }) => name as RepositoryName);
  }

  async hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean> {
    return !this.#unknown.has(digest) && this.#reads.hasBlobOnHost.get(digest, host) !== undefined;
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    if (this.#unknown.has(digest)) return undefined;
    return this.#reads.blobSize.get(digest)?.size ?? undefined;
  }

  async getChecked(digest: Digest): Promise<CheckedContent | undefined> {
    return this.#unknown.has(digest) ? undefined : checkedOf(this.#reads.getChecked.get(digest));
  }

  async listStored({
    after = '' as Digest,
    limit,
  }: {
    after?: Digest | undefined;
    limit: number;
  }): Promise<StoredPage> {
    const rows = this.#reads.listStored.all(after, limit);
    const digests = rows.flatMap(({ digest, is_here }) => (is_here === 1 ? [digest as Digest] : []));
    return { digests, next: rows[limit - 1]?.digest as Digest | undefined };
  }

  async getScrub(): Promise<ScrubPlace | undefined> {
    const row = this.#reads.getScrub.get();
    return row && { after: (row.after_digest ?? undefined) as Digest | undefined, begunAt: row.begun_at };
  }

  async getTakenOver(place: string): Promise<string | undefined> {
    return this.#reads.getTakenOver.get(place)?.state;
  }

  async getProgress(of: string): Promise<string | undefined> {
    return this.#reads.getProgress.get(of)?.after ?? undefined;
  }

  /** No key leads from a digest to the repositories that have it as a manifest: they are asked in turns. */
  async listOwners(digest: Digest, limit: number, as?: 'blob'): Promise<readonly Owner[]> {
    const owners = this.#reads.listLinked.all(digest, limit).map(({ name }) => ownerOf(name, 'blob'));
    if (as === 'blob') return owners;
    let inTurn = 0;
    for (const { id, name } of this.#allRepositories()) {
      if (owners.length >= limit) break;
      if (this.#reads.hasManifestBy.get(id, digest) !== undefined) owners.push(ownerOf(name, 'manifest'));
      inTurn += 1;
      if (inTurn % sliceRows === 0) await setImmediate();
    }
    return owners;
  }

  async claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]> {
    const { least, most } = this.#reads.claimedSizes.get(digest, repository) ?? { least: null, most: null };
    if (least === null || most === null) return [];
    return least === most ? [least] : [least, most];
  }

  async listWantedBlobs({
    after,
    limit,
  }: {
    after?: WantedBlob | undefined;
    limit: number;
  }): Promise<readonly WantedBlob[]> {
    const { since = Number.MAX_SAFE_INTEGER, repository = '', digest = '' } = after ?? {};
    const rows = this.#reads.listWantedBlobs.all(since, repository, digest, limit);
    return rows.map((row) => ({
      ...row,
      repository: row.repository as RepositoryName,
      digest: row.digest as Digest,
    }));
  }

  async listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined> {
    if (this.#reads.isManifest.get(repository, manifest) === undefined) return undefined;
    const rows = this.#reads.listMissingBlobs.all(repository, manifest, limit);
    return rows.map(({ digest, size }) => ({ digest: digest as Digest, size }));
  }

  async pageReferrers(
    repository: RepositoryName,
    digest: Digest,
    { after = '' as Digest, limit }: { after?: Digest | undefined; limit: number },
  ): Promise<readonly Descriptor[]> {
    return this.#reads.listReferrers.all(repository, digest, after, limit).map(descriptorOf);
  }

  async getUpload(id: string): Promise<UploadRecord | undefined> {
    const row = this.#reads.getUpload.get(id);
    return row && uploadOf(row);
  }

  async listUploads({
    after = '',
    limit,
  }: {
    after?: string | undefined;
    limit: number;
  }): Promise<readonly UploadRecord[]> {
    return this.#reads.listUploads.all(after, limit).map(uploadOf);
  }

  async countUploads(): Promise<number> {
    return this.#reads.countUploads.get()?.count ?? 0;
  }

  async durable(): Promise<void> {
    await this.#sync?.atOnce();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    await this.#writes[Symbol.asyncDispose]();
    await this.#sync?.[Symbol.asyncDispose]();
    await this.#checkpoints?.[Symbol.asyncDispose]();
    this.#database.close();
  }
}

/** Also where there was no room to share it. */
function isExclusive(database: Database): boolean {
  return database.pragma('locking_mode', { simple: true }) === 'exclusive';
}

/** What it takes in memory while it waits to be written. Who waits for a manifest's record has its bytes. */
function bytesOf(operation: Operation, text = ''): number {
  if (operation.kind === 'queue events')
    return operation.texts.reduce((sum, { length }) => sum + 2 * length, rowsOf(operation) * bytesPerItem);
  if (!('manifest' in operation)) return rowsOf(operation) * bytesPerItem + 2 * text.length;
  return rowsOf(operation) * bytesPerItem + operation.manifest.descriptor.size;
}

/** By what they take: a blob that comes or goes is looked at from several sides. */
function rowsOf(operation: Operation): number {
  if (operation.kind === 'link blob' || operation.kind === 'own blob' || operation.kind === 'lose blob')
    return 3;
  // With a file each, which is moved.
  if (movesFiles(operation)) return 4 * operation.digests.length;
  if ('digests' in operation) return operation.digests.length;
  if (operation.kind === 'record uses') return operation.uses.length;
  if (operation.kind === 'record misses') return operation.misses.length;
  if (operation.kind === 'queue events') return operation.texts.length;
  if (operation.kind === 'settle events') return rowsAtOnce;
  if (operation.kind === 'require content') return operation.blobs.length + operation.manifests.length;
  if (!('manifest' in operation)) return 1;
  const { blobs, manifests = [] } = operation.manifest;
  return 1 + blobs.length + manifests.length;
}

function movesFiles(
  operation: Operation,
): operation is Extract<Operation, { kind: 'discard content' | 'discard announced' | 'discard unknown' }> {
  return (
    operation.kind === 'discard content' ||
    operation.kind === 'discard announced' ||
    operation.kind === 'discard unknown'
  );
}

function ownerOf(name: string, as: Owner['as']): Owner {
  return { repository: name as RepositoryName, as };
}

function* slicesOf<Item>(items: readonly Item[], length: number): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += length) yield items.slice(at, at + length);
}
