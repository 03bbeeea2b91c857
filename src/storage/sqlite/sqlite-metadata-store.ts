import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import { type Clock, systemClock } from '../../base/clock.ts';
import { piecesInTurns } from '../../json/json-pieces.ts';
import type { Digest, RegistryHost, RepositoryName, Tag } from '../../oci/reference.ts';
import type { Descriptor } from '../../oci/registry.ts';
import { StoreFullError } from '../blob-store.ts';
import type {
  IncompleteManifest,
  ListingRecord,
  ManifestRecord,
  MetadataStore,
  MissingBlob,
  StoreContent,
  TagRecord,
  Use,
} from '../metadata-store.ts';
import { keepReserve, openDatabase, type Sharing } from './open-database.ts';
import { isFull } from './sqlite-errors.ts';
import { type DescriptorRow, type ListRow, prepareStatements, type TagRow } from './statements.ts';
import { WalSync } from './wal-sync.ts';
import { WriteBatch } from './write-batch.ts';

/** About what one takes in memory that waits to be written, with its digest. */
const bytesPerBlob = 256;
const bytesPerUse = 256;
/** So many rows are read in one go; between slices the event loop turns. */
const sliceRows = 500;
/** Of so many manifests that name a blob the newest are found: all of an empty config's would be too many to sort. */
const maxConsidered = 200;

/**
 * The index over the blobs in one SQLite file. Calls are synchronous inside (a few microseconds); what was written in one turn of
 * the event loop is one transaction, visible when the calls settle, and survives a power cut half a second later. Nothing waits
 * synchronously for another process: what it has locked is written later.
 */
export class SqliteMetadataStore implements MetadataStore {
  readonly #database: Database;
  readonly #statements: ReturnType<typeof prepareStatements>;
  readonly #writes: WriteBatch;
  readonly #sync: WalSync;
  readonly #clock: Clock;

  private constructor(database: Database, path: string, clock: Clock) {
    this.#database = database;
    this.#statements = prepareStatements(database);
    this.#sync = new WalSync(path);
    this.#writes = new WriteBatch(database, clock, () => this.#sync.soon());
    this.#clock = clock;
  }

  /** `directory` exists. Errors as {@link openDatabase}. */
  static async open(
    directory: string,
    { clock = systemClock, sharing }: { clock?: Clock; sharing?: Sharing } = {},
  ): Promise<SqliteMetadataStore> {
    const database = await openDatabase(directory, sharing);
    const store = new SqliteMetadataStore(database, join(directory, 'index.sqlite'), clock);
    await keepReserve(directory);
    return store;
  }

  async getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const row = this.#statements.getManifest.get(repository, digest);
    return row === undefined ? undefined : descriptorOf(row);
  }

  async putManifest(
    repository: RepositoryName,
    { descriptor, blobs, subject }: ManifestRecord,
  ): Promise<void> {
    const { putManifest, putManifestBlob, judgeManifest } = this.#statements;
    const { digest, mediaType, size, artifactType, annotations } = descriptor;
    await this.#write(() => {
      putManifest.run({
        repository,
        digest,
        mediaType,
        size,
        artifactType: artifactType ?? null,
        annotations: annotations === undefined ? null : JSON.stringify(annotations),
        subject: subject ?? null,
        now: this.#clock.now(),
      });
      for (const blob of blobs)
        putManifestBlob.run(repository, digest, blob.digest, blob.mediaType, blob.size);
      judgeManifest.run(repository, digest);
    }, blobs.length * bytesPerBlob);
  }

  async deleteManifest(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return await this.#write(() => this.#statements.deleteManifest.run(repository, digest).changes > 0);
  }

  async getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const row = this.#statements.getTag.get(repository, tag);
    return row === undefined ? undefined : tagOf(row);
  }

  async putTag(repository: RepositoryName, { tag, descriptor, checkedAt }: TagRecord): Promise<void> {
    await this.#write(() =>
      this.#statements.putTag.run(repository, tag, descriptor.digest, checkedAt, this.#clock.now()),
    );
  }

  async listTags(repository: RepositoryName): Promise<readonly Tag[]> {
    return this.#statements.listTags.all(repository).map(({ tag }) => tag as Tag);
  }

  async *listAllTags(): AsyncIterable<TagRecord & { readonly repository: RepositoryName }> {
    for (let repository = '', tag = ''; ; ) {
      const rows = this.#statements.listAllTags.all(repository, tag, sliceRows);
      for (const row of rows) yield { ...tagOf(row), repository: row.repository as RepositoryName };
      const last = rows[sliceRows - 1];
      if (last === undefined) return;
      ({ repository, tag } = last);
      await setImmediate();
    }
  }

  async listRepositories(options: {
    last?: string | undefined;
    limit: number;
  }): Promise<readonly RepositoryName[]> {
    const rows = this.#statements.listRepositories.all(options.last ?? '', options.limit);
    return rows.map(({ repository }) => repository as RepositoryName);
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]> {
    return this.#statements.listReferrers.all(repository, digest).map(descriptorOf);
  }

  async getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined> {
    return listOf<Tag>(this.#statements.getTagList.get(repository));
  }

  async putTagList(repository: RepositoryName, { items, checkedAt }: ListingRecord<Tag>): Promise<void> {
    const text = await textOf(items);
    await this.#write(
      () => this.#statements.putTagList.run(repository, text, checkedAt, this.#clock.now()),
      2 * text.length,
    );
  }

  async getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined> {
    return listOf<Descriptor>(this.#statements.getReferrersList.get(repository, digest));
  }

  async putReferrersList(
    repository: RepositoryName,
    digest: Digest,
    list: ListingRecord<Descriptor>,
  ): Promise<void> {
    const text = await textOf(list.items);
    await this.#write(
      () =>
        this.#statements.putReferrersList.run(repository, digest, text, list.checkedAt, this.#clock.now()),
      2 * text.length,
    );
  }

  async hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#statements.hasBlob.get(digest, repository) !== undefined;
  }

  async hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean> {
    // Names of this host begin with `host/`; `0` is the character behind the slash.
    return this.#statements.hasBlobOnHost.get(digest, `${host}/`, `${host}0`) !== undefined;
  }

  async linkBlob(repository: RepositoryName, digest: Digest, verified?: number): Promise<void> {
    await this.#write(() => {
      if (verified !== undefined) this.#statements.recordSize.run(digest, verified);
      this.#statements.linkBlob.run(digest, repository);
      this.#statements.judgeHolders.run(digest, repository);
    });
  }

  async unlinkBlob(digest: Digest): Promise<void> {
    await this.#write(() => {
      this.#statements.unlinkBlob.run(digest);
      this.#statements.reopenHolders.run(digest);
    });
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#statements.blobSize.get(digest)?.size;
  }

  async claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]> {
    return this.#statements.claimedSizes.all(digest, repository).map(({ size }) => size);
  }

  async listManifestsOf(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<readonly Digest[]> {
    const rows = this.#statements.listManifestsOf.all(digest, repository, maxConsidered, limit);
    return rows.map((row) => row.digest as Digest);
  }

  async listIncompleteManifests({
    after,
    limit,
  }: {
    after?: IncompleteManifest | undefined;
    limit: number;
  }): Promise<readonly IncompleteManifest[]> {
    const { createdAt = Number.MAX_SAFE_INTEGER, repository = '', digest = '' } = after ?? {};
    const rows = this.#statements.listIncompleteManifests.all(createdAt, repository, digest, limit);
    return rows.map((row) => ({
      repository: row.repository as RepositoryName,
      digest: row.digest as Digest,
      createdAt: row.created_at,
    }));
  }

  async listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined> {
    const judged = this.#statements.isComplete.get(repository, manifest);
    if (judged?.complete !== 0) return judged && [];
    const rows = this.#statements.listMissingBlobs.all(repository, manifest, limit);
    return rows.map(({ blob, size }) => ({ digest: blob as Digest, size }));
  }

  async countContent(): Promise<StoreContent> {
    let [manifests, manifestBytes, blobs, blobBytes] = [0, 0, 0, 0];
    for (let repository = '', digest = ''; ; await setImmediate()) {
      const rows = this.#statements.sliceManifests.all(repository, digest, sliceRows);
      manifests += rows.length;
      for (const { size } of rows) manifestBytes += size;
      const last = rows[sliceRows - 1];
      if (last === undefined) break;
      ({ repository, digest } = last);
    }
    for (let digest = ''; ; await setImmediate()) {
      const rows = this.#statements.sliceBlobs.all(digest, sliceRows);
      blobs += rows.length;
      for (const { size } of rows) blobBytes += size ?? 0;
      const last = rows[sliceRows - 1];
      if (last === undefined) return { manifests, manifestBytes, blobs, blobBytes };
      ({ digest } = last);
    }
  }

  async recordUse(uses: readonly Use[]): Promise<void> {
    await this.#write(() => {
      for (const { repository, digest, at } of uses) this.#statements.recordUse.run(at, repository, digest);
    }, uses.length * bytesPerUse);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writes[Symbol.asyncDispose]();
    await this.#sync[Symbol.asyncDispose]();
    this.#database.close();
  }

  /** All of it or nothing; a full disk is a StoreFullError. `bytes` as in {@link WriteBatch.add}. */
  async #write<Result>(work: () => Result, bytes?: number): Promise<Result> {
    try {
      return await this.#writes.add(work, bytes);
    } catch (error) {
      throw isFull(error) ? new StoreFullError('no room left for the index', { cause: error }) : error;
    }
  }
}

function descriptorOf({ digest, media_type, size, artifact_type, annotations }: DescriptorRow): Descriptor {
  return {
    mediaType: media_type,
    digest: digest as Digest,
    size,
    ...(artifact_type !== null && { artifactType: artifact_type }),
    ...(annotations !== null && { annotations: JSON.parse(annotations) as Record<string, string> }),
  };
}

function tagOf(row: TagRow): TagRecord {
  return { tag: row.tag as Tag, descriptor: descriptorOf(row), checkedAt: row.checked_at };
}

async function textOf(items: readonly unknown[]): Promise<string> {
  return `[${(await Array.fromAsync(piecesInTurns(items))).join(',')}]`;
}

function listOf<Item>(row: ListRow | undefined): ListingRecord<Item> | undefined {
  return row === undefined
    ? undefined
    : { items: JSON.parse(row.items) as Item[], checkedAt: row.checked_at };
}
