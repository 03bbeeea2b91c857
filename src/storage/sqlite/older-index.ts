import { setImmediate } from 'node:timers/promises';
import type { Database } from 'better-sqlite3';
import type { Descriptor } from '../../oci/descriptor.ts';
import type { Digest, RegistryHost, RepositoryName } from '../../oci/reference.ts';
import { StoreFullError } from '../content-store.ts';
import type { Inventory } from '../inventory.ts';
import type { MetadataStore } from '../metadata-store.ts';
import type {
  CheckedContent,
  FormerTag,
  KnownName,
  MissingBlob,
  Owner,
  ScrubPlace,
  StoredPage,
  UploadRecord,
  WantedBlob,
} from '../records.ts';
import { IndexReads } from './index-reads.ts';
import { rowsBySlices, sliceRows } from './slices.ts';
import { type DescriptorRow, type ListRow, preparing, type TagRow, tagOf } from './statements.ts';

interface PlacedTag extends TagRow {
  readonly repository: string;
}

/** Nothing was counted then. */
const uncounted: Inventory = {
  totals: async () => ({ manifests: 0, manifestBytes: 0, blobs: 0, blobBytes: 0, registries: new Map() }),
  images: async () => [],
  misses: async () => [],
  blobs: async () => [],
};

/**
 * What an index of schema 1 or 2 knows, to be read and not changed, where there is no room for one of this version. What was not recorded then
 * is not known: former tags, and what is wanted, which there is no room for either.
 */
export class OlderIndex extends IndexReads implements MetadataStore {
  readonly path: string;
  readonly inventory = uncounted;
  readonly #database: Database;
  readonly #reads: ReturnType<typeof prepareOlderReads>;

  constructor(database: Database, path: string) {
    const reads = prepareOlderReads(database);
    super(reads);
    this.path = path;
    this.#database = database;
    this.#reads = reads;
  }

  async change(): Promise<void> {
    throw new StoreFullError('there is no room for the index');
  }

  hurry(): void {}

  async foresee(): Promise<ReadonlySet<Digest>> {
    return new Set();
  }

  watch(): Disposable {
    return { [Symbol.dispose]() {} };
  }

  async listFormerTags(): Promise<readonly FormerTag[]> {
    return [];
  }

  /** Tags alone. */
  async *listNames(): AsyncIterable<KnownName> {
    const rows = rowsBySlices<PlacedTag>((last, limit) =>
      this.#reads.sliceTags.all(last?.repository ?? '', last?.tag ?? '', limit),
    );
    let inTurn = 0;
    for (const row of rows) {
      const { tag, descriptor } = tagOf(row);
      yield {
        ...{ repository: row.repository as RepositoryName, tag, descriptor },
        ...{ isPinned: false, origin: 'upstream' },
      };
      inTurn += 1;
      if (inTurn % sliceRows === 0) await setImmediate();
    }
  }

  async listRepositories(options: {
    last?: string | undefined;
    limit: number;
  }): Promise<readonly RepositoryName[]> {
    const rows = this.#reads.listRepositories.all(options.last ?? '', options.limit);
    return rows.map(({ repository }) => repository as RepositoryName);
  }

  async hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean> {
    // Names of this host begin with `host/`; `0` is the character behind the slash.
    return this.#reads.hasBlobOnHost.get(digest, `${host}/`, `${host}0`) !== undefined;
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#reads.blobSize?.get(digest)?.size;
  }

  async getChecked(digest: Digest): Promise<CheckedContent | undefined> {
    const size = await this.blobSize(digest);
    return size === undefined ? undefined : { size, stamp: undefined, isHere: true };
  }

  async listStored(): Promise<StoredPage> {
    return { digests: [], next: undefined };
  }

  async getScrub(): Promise<ScrubPlace | undefined> {
    return undefined;
  }

  async getTakenOver(): Promise<string | undefined> {
    return undefined;
  }
  async getProgress(): Promise<undefined> {}

  async listOwners(): Promise<readonly Owner[]> {
    return [];
  }

  async claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]> {
    return this.#reads.claimedSizes.all(digest, repository).map(({ size }) => size);
  }

  async listWantedBlobs(): Promise<readonly WantedBlob[]> {
    return [];
  }

  async listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined> {
    if (this.#reads.getManifest.get(repository, manifest) === undefined) return undefined;
    const rows = this.#reads.listMissingBlobs.all(repository, manifest, limit);
    return rows.map(({ blob, size }) => ({ digest: blob as Digest, size }));
  }

  /** Nothing lives here that an earlier version knew of. */
  async pageReferrers(): Promise<readonly Descriptor[]> {
    return [];
  }

  async getUpload(): Promise<undefined> {}

  async listUploads(): Promise<readonly UploadRecord[]> {
    return [];
  }

  async countUploads(): Promise<number> {
    return 0;
  }

  async durable(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    this.#database.close();
  }
}

const descriptor = 'm.digest, m.media_type, m.size, m.artifact_type, m.annotations';
/** Annotations may be as large as the manifest: they are read for lists of referrers alone. */
const plain = 'm.digest, m.media_type, m.size, m.artifact_type, null as annotations';
const tagged = `t.repository, t.tag, t.checked_at, ${plain}
  from tags t join manifests m on m.repository = t.repository and m.digest = t.digest`;

/** As the release that wrote the file read it. Where an index is named SQLite would read all that the repository has. */
function prepareOlderReads(database: Database) {
  const prepare = preparing(database);
  const hasSizes = Number(database.pragma('user_version', { simple: true })) >= 2;
  return {
    getManifest: prepare<[string, string], DescriptorRow>(
      `select ${plain} from manifests m where m.repository = ? and m.digest = ?`,
    ),
    getTag: prepare<[string, string], TagRow>(`select ${tagged} where t.repository = ? and t.tag = ?`),
    listTags: prepare<[string, string, number], { tag: string }>(
      'select tag from tags where repository = ? and tag > ? order by tag limit ?',
    ),
    sliceTags: prepare<[string, string, number], PlacedTag>(
      `select ${tagged} where (t.repository, t.tag) > (?, ?) order by t.repository, t.tag limit ?`,
    ),
    listRepositories: prepare<[string, number], { repository: string }>(
      'select distinct repository from manifests where repository > ? order by repository limit ?',
    ),
    listReferrers: prepare<[string, string, string, number], DescriptorRow>(
      `select ${descriptor} from manifests m indexed by manifests_subject
       where m.repository = ? and m.subject = ? and m.digest > ? order by m.digest limit ?`,
    ),
    getTagList: prepare<[string], ListRow>('select items, checked_at from tag_lists where repository = ?'),
    getReferrersList: prepare<[string, string], ListRow>(
      'select items, checked_at from referrers_lists where repository = ? and digest = ?',
    ),
    hasBlob: prepare<[string, string], { found: 1 }>(
      'select 1 as found from blob_links where digest = ? and repository = ?',
    ),
    hasBlobOnHost: prepare<[string, string, string], { found: 1 }>(
      'select 1 as found from blob_links where digest = ? and repository > ? and repository < ? limit 1',
    ),
    blobSize: hasSizes
      ? prepare<[string], { size: number }>('select size from blob_sizes where digest = ?')
      : undefined,
    claimedSizes: prepare<[string, string], { size: number }>(
      `select distinct size from manifest_blobs indexed by manifest_blobs_blob
       where blob = ? and repository = ? limit 2`,
    ),
    listManifestsOf: prepare<[string, string, number, number], { digest: string }>(
      `select m.digest from (
         select repository as owner, manifest from manifest_blobs indexed by manifest_blobs_blob
         where blob = ? and repository = ? limit ?)
       cross join manifests m on m.repository = owner and m.digest = manifest
       order by m.created_at desc limit ?`,
    ),
    listMissingBlobs: prepare<[string, string, number], { blob: string; size: number }>(
      `select b.blob, b.size from manifest_blobs b where b.repository = ? and b.manifest = ?
       and not exists (select 1 from blob_links l where l.digest = b.blob and l.repository = b.repository)
       limit ?`,
    ),
  };
}
