import {
  type Digest,
  hostOf,
  type RegistryHost,
  type RepositoryName,
  type Tag,
} from '../../oci/reference.ts';
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

interface Kept extends ManifestRecord {
  readonly createdAt: number;
}

/** What is known, in memory: for tests, and for a server whose disk cannot be written. */
export class MemoryMetadataStore implements MetadataStore {
  readonly #now: () => number;
  readonly #manifests = new Map<RepositoryName, Map<Digest, Kept>>();
  readonly #tags = new Map<RepositoryName, Map<Tag, TagRecord>>();
  readonly #links = new Map<Digest, Set<RepositoryName>>();
  readonly #sizes = new Map<Digest, number>();
  readonly #tagLists = new Map<RepositoryName, ListingRecord<Tag>>();
  readonly #referrers = new Map<string, ListingRecord<Descriptor>>();
  readonly #uses = new Map<string, number>();
  readonly #isFull: boolean;

  /** `now` in milliseconds since the epoch. `isFull`: it takes nothing, for whoever asks would make it grow. */
  constructor({ now = Date.now, isFull = false }: { now?: () => number; isFull?: boolean } = {}) {
    this.#now = now;
    this.#isFull = isFull;
  }

  async getManifest(repository: RepositoryName, digest: Digest): Promise<Descriptor | undefined> {
    const { annotations: _, ...descriptor } = this.#manifests.get(repository)?.get(digest)?.descriptor ?? {};
    return 'digest' in descriptor ? descriptor : undefined;
  }

  async putManifest(repository: RepositoryName, manifest: ManifestRecord): Promise<void> {
    this.#checkRoom();
    const manifests = child(this.#manifests, repository);
    const { digest } = manifest.descriptor;
    manifests.set(digest, { ...manifest, createdAt: manifests.get(digest)?.createdAt ?? this.#now() });
  }

  async deleteManifest(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const tags = this.#tags.get(repository);
    for (const [tag, { descriptor }] of tags ?? []) if (descriptor.digest === digest) tags?.delete(tag);
    const manifests = this.#manifests.get(repository);
    const deleted = manifests?.delete(digest) ?? false;
    if (manifests?.size === 0) this.#manifests.delete(repository);
    return deleted;
  }

  async getTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    return this.#tags.get(repository)?.get(tag);
  }

  async putTag(repository: RepositoryName, record: TagRecord): Promise<void> {
    this.#checkRoom();
    const tags = child(this.#tags, repository);
    const checkedAt = tags.get(record.tag)?.checkedAt ?? 0;
    const isNewer = checkedAt <= record.checkedAt || record.checkedAt === 0;
    if (isNewer || checkedAt > this.#now()) tags.set(record.tag, record);
  }

  async listTags(repository: RepositoryName): Promise<readonly Tag[]> {
    return [...(this.#tags.get(repository)?.keys() ?? [])].sort();
  }

  async *listAllTags(): AsyncIterable<TagRecord & { readonly repository: RepositoryName }> {
    for (const repository of [...this.#tags.keys()].sort()) {
      for (const tag of await this.listTags(repository)) {
        const record = this.#tags.get(repository)?.get(tag);
        if (record !== undefined) yield { ...record, repository };
      }
    }
  }

  async listRepositories(options: {
    last?: string | undefined;
    limit: number;
  }): Promise<readonly RepositoryName[]> {
    const { last = '', limit } = options;
    const all = [...this.#manifests.keys()].sort();
    return all.filter((repository) => repository > last).slice(0, limit);
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<readonly Descriptor[]> {
    const manifests = [...(this.#manifests.get(repository)?.values() ?? [])];
    return manifests.filter(({ subject }) => subject === digest).map(({ descriptor }) => descriptor);
  }

  async getTagList(repository: RepositoryName): Promise<ListingRecord<Tag> | undefined> {
    return this.#tagLists.get(repository);
  }

  async putTagList(repository: RepositoryName, list: ListingRecord<Tag>): Promise<void> {
    this.#checkRoom();
    this.#tagLists.set(repository, list);
  }

  async getReferrersList(
    repository: RepositoryName,
    digest: Digest,
  ): Promise<ListingRecord<Descriptor> | undefined> {
    return this.#referrers.get(`${repository}@${digest}`);
  }

  async putReferrersList(
    repository: RepositoryName,
    digest: Digest,
    list: ListingRecord<Descriptor>,
  ): Promise<void> {
    this.#checkRoom();
    this.#referrers.set(`${repository}@${digest}`, list);
  }

  async hasBlob(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return this.#links.get(digest)?.has(repository) ?? false;
  }

  async hasBlobOnHost(host: RegistryHost, digest: Digest): Promise<boolean> {
    return [...(this.#links.get(digest) ?? [])].some((repository) => hostOf(repository) === host);
  }

  async linkBlob(repository: RepositoryName, digest: Digest, verified?: number): Promise<void> {
    this.#checkRoom();
    if (verified !== undefined) this.#sizes.set(digest, verified);
    this.#links.set(digest, (this.#links.get(digest) ?? new Set()).add(repository));
  }

  async unlinkBlob(digest: Digest): Promise<void> {
    this.#links.delete(digest);
  }

  async blobSize(digest: Digest): Promise<number | undefined> {
    return this.#sizes.get(digest);
  }

  async claimedSizes(repository: RepositoryName, digest: Digest): Promise<readonly number[]> {
    const manifests = [...(this.#manifests.get(repository)?.values() ?? [])];
    const named = manifests.flatMap(({ blobs }) => blobs.filter((blob) => blob.digest === digest));
    return [...new Set(named.map(({ size }) => size))].slice(0, 2);
  }

  async listManifestsOf(
    repository: RepositoryName,
    digest: Digest,
    limit: number,
  ): Promise<readonly Digest[]> {
    const manifests = [...(this.#manifests.get(repository)?.values() ?? [])].reverse();
    const naming = manifests.filter(({ blobs }) => blobs.some((blob) => blob.digest === digest));
    return naming.slice(0, limit).map(({ descriptor }) => descriptor.digest);
  }

  async listIncompleteManifests({
    after,
    limit,
  }: {
    after?: IncompleteManifest | undefined;
    limit: number;
  }): Promise<readonly IncompleteManifest[]> {
    const incomplete: IncompleteManifest[] = [];
    for (const [repository, manifests] of this.#manifests) {
      for (const { descriptor, createdAt } of manifests.values()) {
        const manifest = { repository, digest: descriptor.digest, createdAt };
        const missing = await this.listMissingBlobs(repository, manifest.digest, 1);
        const isLacking = missing?.length === 1;
        if (isLacking && (after === undefined || byAge(after, manifest) < 0)) incomplete.push(manifest);
      }
    }
    return incomplete.sort(byAge).slice(0, limit);
  }

  async listMissingBlobs(
    repository: RepositoryName,
    manifest: Digest,
    limit: number,
  ): Promise<readonly MissingBlob[] | undefined> {
    const record = this.#manifests.get(repository)?.get(manifest);
    if (record === undefined) return undefined;
    const missing = new Map(
      record.blobs
        .filter(({ digest }) => this.#links.get(digest)?.has(repository) !== true)
        .map(({ digest, size }) => [digest, { digest, size }]),
    );
    return [...missing.values()].slice(0, limit);
  }

  async countContent(): Promise<StoreContent> {
    const manifests = [...this.#manifests.values()].flatMap((records) => [...records.values()]);
    const claims = new Map(manifests.flatMap(({ blobs }) => blobs.map(({ digest, size }) => [digest, size])));
    return {
      manifests: manifests.length,
      manifestBytes: total(manifests.map(({ descriptor }) => descriptor.size)),
      blobs: this.#links.size,
      blobBytes: total(
        [...this.#links.keys()].map((digest) => this.#sizes.get(digest) ?? claims.get(digest) ?? 0),
      ),
    };
  }

  async recordUse(uses: readonly Use[]): Promise<void> {
    this.#checkRoom();
    for (const { repository, digest, at } of uses) this.#uses.set(`${repository}@${digest}`, at);
  }

  #checkRoom(): void {
    if (this.#isFull) throw new StoreFullError('the memory store is full');
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** The newest first. */
function byAge(one: IncompleteManifest, other: IncompleteManifest): number {
  const places = [one, other].map(({ createdAt, repository, digest }) => [createdAt, repository, digest]);
  for (const [at, value] of (places[0] ?? []).entries()) {
    const against = places[1]?.[at] ?? '';
    if (value !== against) return value > against ? -1 : 1;
  }
  return 0;
}

function total(sizes: readonly number[]): number {
  return sizes.reduce((sum, size) => sum + size, 0);
}

function child<Key, ChildKey, Value>(map: Map<Key, Map<ChildKey, Value>>, key: Key): Map<ChildKey, Value> {
  const existing = map.get(key) ?? new Map<ChildKey, Value>();
  map.set(key, existing);
  return existing;
}
