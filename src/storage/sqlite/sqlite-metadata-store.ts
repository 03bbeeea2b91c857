import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../base/clock.ts';
import { piecesInTurns } from '../../json/json-pieces.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../../oci/reference.ts';
import type { Descriptor } from '../../oci/registry.ts';
import { StoreFullError } from '../blob-store.ts';
import type { Inventory } from '../inventory.ts';
import type { MetadataStore } from '../metadata-store.ts';
import type { Changes, Operation } from '../operation.ts';
import type { FormerTag, ListingRecord, MissingBlob, TagRecord, WantedBlob } from '../records.ts';
import { ChangeLog } from './change-log.ts';
import { keepReserve, openDatabase, openInMemory, type Sharing } from './open-database.ts';
import { rowsBySlices, sliceRows } from './slices.ts';
import { isFull } from './sqlite-errors.ts';
import { SqliteInventory } from './sqlite-inventory.ts';
import { descriptorOf, type ListRow, type NamedRow, prepareReads, type TagRow } from './statements.ts';
import { WalSync } from './wal-sync.ts';
import { WriteBatch } from './write-batch.ts';
import { maxFormerTags, OperationWriter } from './write-operation.ts';

/** About what a digest with its size takes in memory that waits to be written. */
const bytesPerItem = 256;
/** Of so many manifests that name a blob the newest are found: all of an empty config's would be too many to sort. */
const maxConsidered = 200;
/** Whether others have changed something is asked so often. Milliseconds. */
const watchMs = 300;

interface Settings {
  readonly clock?: Clock | undefined;
  /** It takes nothing: whoever asks would make it grow. */
  readonly isFull?: boolean | undefined;
  /** Of the file so many bytes stay in memory. Default: 16 MB. */
  readonly indexPages?: number | undefined;
}

/**
 * What is known, in one SQLite file or in memory. Calls are synchronous inside (a few microseconds); what was written in one turn of
 * the event loop is one transaction, visible when the calls settle, and survives a power cut half a second later. Nothing waits
 * synchronously for another process: what it has locked is written later.
 */
export class SqliteMetadataStore implements MetadataStore {
  readonly inventory: Inventory;
  /** The file that is open; in memory none. */
  readonly path: string;
  readonly #database: Database;
  readonly #reads: ReturnType<typeof prepareReads>;
  readonly #changes: ChangeLog;
  readonly #writer: OperationWriter;
  readonly #writes: WriteBatch;
  readonly #sync: WalSync | undefined;
  readonly #isFull: boolean;
  readonly #listeners = new Set<(changes: Changes) => void>();
  #timer: NodeJS.Timeout | undefined;

  private constructor(
    database: Database,
    path: string | undefined,
    { clock = systemClock, isFull = false, indexPages }: Settings,
  ) {
    // Negative: KiB, and not pages.
    if (indexPages !== undefined) database.pragma(`cache_size = ${-Math.ceil(indexPages / 1024)}`);
    this.#isFull = isFull;
    this.path = path ?? '';
    this.#database = database;
    this.#reads = prepareReads(database);
    this.#changes = new ChangeLog(database);
    this.#writer = new OperationWriter(database, this.#changes, () => clock.now());
    this.#sync = path === undefined ? undefined : new WalSync(path);
    this.#writes = new WriteBatch(database, clock, () => this.#sync?.soon());
    this.inventory = new SqliteInventory(database);
  }

  /** `directory` exists. Errors as {@link openDatabase}. */
  static async open(
    directory: string,
    { sharing, takesOver, ...settings }: Settings & { sharing?: Sharing; takesOver?: () => void } = {},
  ): Promise<SqliteMetadataStore> {
    const { database, path } = await openDatabase(directory, sharing, { takesOver });
    const store = new SqliteMetadataStore(database, path, settings);
    await keepReserve(directory);
    return store;
  }

  /** Gone with the process. */
  static inMemory(settings: Settings = {}): SqliteMetadataStore {
    return new SqliteMetadataStore(openInMemory(), undefined, settings);
  }

  async change(operations: readonly Operation[]): Promise<void> {
    if (this.#isFull) throw new StoreFullError('there is no room for the index');
    const texts = new Map<Operation, string>();
    for (const operation of operations)
      if ('list' in operation) texts.set(operation, await textOf(operation.list.items));
    try {
      await this.#writes.add(
        () => {
          for (const operation of operations)
            this.#writer.write(operation, (list) => texts.get(list) ?? '[]');
        },
        operations.reduce((sum, operation) => sum + bytesOf(operation, texts.get(operation)), 0),
      );
    } catch (error) {
      throw isFull(error) ? new StoreFullError('no room left for the index', { cause: error }) : error;
    }
  }

  watch(listener: (changes: Changes) => void): Disposable {
    this.#listeners.add(listener);
    this.#timer ??= setInterval(() => void this.#tell(), watchMs).unref();
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) };
  }

  async #tell(): Promise<void> {
    const changes = this.#news();
    const pieces = changes === 'all' ? [changes] : slicesOf(changes, sliceRows);
    for (const piece of pieces) {
      for (const listener of this.#listeners) listener(piece);
      await setImmediate();
    }
  }

  /** What cannot be read now (a lock, a disk) is read the next time: nothing of it is lost. */
  #news(): Changes {
    try {
      return this.#changes.news();
    } catch {
      return [];
    }
  }

  async getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const row = this.#reads.getManifest.get(repository, digest);
    return row === undefined ? undefined : descriptorOf(row);
  }

  async getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const row = this.#reads.getTag.get(repository, tag);
    return row === undefined ? undefined : tagOf(row);
  }

  async listFormerTags(repository: RepositoryName, tag: Tag): Promise<readonly FormerTag[]> {
    const rows = this.#reads.listFormerTags.all(repository, tag, maxFormerTags);
    return rows.map(({ digest, first_seen, last_seen, why }) => ({
      ...{ digest: digest as Digest, why },
      ...{ firstSeen: first_seen, lastSeen: last_seen },
    }));
  }

  async listTags(repository: RepositoryName): Promise<readonly Tag[]> {
    return this.#reads.listTags.all(repository).map(({ tag }) => tag as Tag);
  }

  async *listAllTags(): AsyncIterable<TagRecord & { readonly repository: RepositoryName }> {
    // A repository without tags is looked up, too.
    let inTurn = 0;
    const repositories = rowsBySlices<NamedRow>((last, limit) =>
      this.#reads.sliceRepositories.all(last?.name ?? '', limit),
    );
    for (const { id, name } of repositories) {
      const tags = rowsBySlices<TagRow>((last, limit) =>
        this.#reads.sliceTags.all(id, last?.tag ?? '', limit),
      );
      for (const row of tags) {
        yield { ...tagOf(row), repository: name as RepositoryName };
        inTurn += 1;
        if (inTurn % sliceRows === 0) await setImmediate();
      }
      inTurn += 1;
      if (inTurn % sliceRows === 0) await setImmediate();
    }
  }

  async listRepositories(options: {
    last?: string | undefined;
    limit: number;
  }): Promise<readonly RepositoryName[]> {
    const rows = this.#reads.listRepositories.all(options.last ?? '', options.limit);
    return rows.map(({ name }) => name as RepositoryName);
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]> {
    return this.#reads.listReferrers.all(repository, digest).map(descriptorOf);
  }

  async getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined> {
    return listOf<Tag>(this.#reads.getTagList.get(repository));
  }

  async getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined> {
    return listOf<Descriptor>(this.#reads.getReferrersList.get(repository, digest));
  }

  async hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#reads.hasBlob.get(digest, repository) !== undefined;
  }

  async hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean> {
    return this.#reads.hasBlobOnHost.get(digest, host) !== undefined;
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#reads.blobSize.get(digest)?.size ?? undefined;
  }

  async claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]> {
    const { least, most } = this.#reads.claimedSizes.get(digest, repository) ?? { least: null, most: null };
    if (least === null || most === null) return [];
    return least === most ? [least] : [least, most];
  }

  async listManifestsOf(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<readonly Digest[]> {
    const rows = this.#reads.listManifestsOf.all(digest, repository, maxConsidered, limit);
    return rows.map((row) => row.digest as Digest);
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

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#writes[Symbol.asyncDispose]();
    await this.#sync?.[Symbol.asyncDispose]();
    this.#database.close();
  }
}

/** What it takes in memory while it waits to be written. */
function bytesOf(operation: Operation, text = ''): number {
  if (operation.kind === 'record uses') return operation.uses.length * bytesPerItem;
  if (operation.kind !== 'put manifest') return bytesPerItem + 2 * text.length;
  const { blobs, manifests = [] } = operation.manifest;
  return (1 + blobs.length + manifests.length) * bytesPerItem;
}

function tagOf(row: TagRow): TagRecord {
  return { tag: row.tag as Tag, descriptor: descriptorOf(row), checkedAt: row.checked_at };
}

function* slicesOf<Item>(items: readonly Item[], length: number): Iterable<readonly Item[]> {
  for (let at = 0; at < items.length; at += length) yield items.slice(at, at + length);
}

async function textOf(items: readonly unknown[]): Promise<string> {
  return `[${(await Array.fromAsync(piecesInTurns(items))).join(',')}]`;
}

function listOf<Item>(row: ListRow | undefined): ListingRecord<Item> | undefined {
  return row === undefined
    ? undefined
    : { items: JSON.parse(row.items) as Item[], checkedAt: row.checked_at };
}
