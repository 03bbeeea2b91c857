import { LRUCache } from 'lru-cache';
import type { Log } from '../log.ts';
import { DigestHasher, digestLike } from '../oci/digest.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { BlobInfo, Manifest } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ManifestRecord, MetadataStore, TagRecord } from '../storage/metadata-store.ts';
import type { Backlog } from './backlog.ts';
import type { TaskSet } from './task-set.ts';

export interface ManifestCacheParts {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  readonly backlog: Backlog;
  readonly tasks: TaskSet;
  readonly log: Log;
  /** Told after each change that another reader of the directory could see. */
  readonly changed: () => void;
}

/** Manifests and tags: memory in front of the stores. What is kept is in memory when the store takes it, and in the store soon after. */
export class ManifestCache {
  readonly #parts: ManifestCacheParts;
  readonly #manifests = new LRUCache<string, Manifest>({
    maxSize: 64 * 1024 * 1024,
    sizeCalculation: ({ bytes }) => bytes.length + 512,
  });
  readonly #tags = new LRUCache<string, TagRecord>({ max: 50_000 });
  /** What memory says of tags and the store does not. */
  readonly #unstored = new WeakSet<TagRecord>();
  readonly #blobSizes = new LRUCache<string, number>({ max: 50_000 });

  constructor(parts: ManifestCacheParts) {
    this.#parts = parts;
  }

  /** Undefined: not cached for this repository, or its bytes are gone or damaged. */
  async find(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const key = `${repository}@${digest}`;
    const known = this.#manifests.get(key);
    if (known !== undefined) return known;
    const descriptor = await this.#parts.metadata.getManifest(repository, digest);
    const bytes = descriptor === undefined ? undefined : await this.#read(digest);
    if (descriptor === undefined || bytes === undefined) return undefined;
    const manifest = { descriptor, bytes };
    this.#manifests.set(key, manifest);
    return manifest;
  }

  async findTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const key = `${repository}:${tag}`;
    const known = this.#tags.get(key);
    if (known !== undefined && this.#leadsOn(repository, known)) return known;
    const record = await this.#parts.metadata.getTag(repository, tag);
    if (record !== undefined) this.#tags.set(key, record);
    return record;
  }

  /** What a blob is by the repository's manifests; a client asks for it before the manifest that it has just read is stored. */
  async expectedBlob(repository: RepositoryName, digest: Digest): Promise<BlobInfo | undefined> {
    const size = this.#blobSizes.get(`${repository}@${digest}`);
    return size === undefined
      ? await this.#parts.metadata.expectedBlob(repository, digest)
      : { digest, size };
  }

  /**
   * Settles when the store takes it, or cannot in time: whoever answers with it waits for that. Nobody finds it here before, for
   * what a client has will soon survive a crash.
   */
  async keep(repository: RepositoryName, manifest: Manifest): Promise<void> {
    const record = recordOf(manifest);
    await this.#admitted('storing a manifest', manifest, async () => {
      await this.#store(repository, record, manifest);
    });
    this.#remember(repository, manifest, record);
  }

  /** The manifest is kept too: a tag never points at what is not there. Settles as {@link keep}. */
  async keepTag(repository: RepositoryName, manifest: Manifest, tag: Tag, checkedAt: number): Promise<void> {
    const record: TagRecord = { tag, descriptor: manifest.descriptor, checkedAt };
    const manifestRecord = recordOf(manifest);
    this.#unstored.add(record);
    await this.#admitted('storing a tag', manifest, async () => {
      await this.#store(repository, manifestRecord, manifest);
      await this.#parts.metadata.putTag(repository, record);
      this.#unstored.delete(record);
      this.#parts.changed();
    });
    this.#remember(repository, manifest, manifestRecord);
    this.#tags.set(`${repository}:${tag}`, record);
  }

  /** Does the store know of it? Not yet, or it had no room. */
  isStored(record: TagRecord): boolean {
    return !this.#unstored.has(record);
  }

  /** Upstream has just said that the tag still points there. */
  touch(repository: RepositoryName, record: TagRecord, checkedAt: number): void {
    const touched = { ...record, checkedAt };
    this.#tags.set(`${repository}:${record.tag}`, touched);
    this.#parts.tasks.run(
      'storing a tag',
      async () => await this.#parts.metadata.putTag(repository, touched),
    );
  }

  /** A tag that is in memory alone is worth nothing without its manifest. */
  #leadsOn(repository: RepositoryName, record: TagRecord): boolean {
    return this.isStored(record) || this.#manifests.has(`${repository}@${record.descriptor.digest}`);
  }

  /** Stores in the background, once that is admitted. */
  async #admitted(what: string, { bytes }: Manifest, store: () => Promise<void>): Promise<void> {
    const admitted = Promise.withResolvers<void>();
    this.#parts.tasks.run(what, async () => {
      try {
        using _ = await this.#parts.backlog.admit(bytes.length);
        admitted.resolve();
        await store();
      } finally {
        admitted.resolve();
      }
    });
    await admitted.promise;
  }

  #remember(repository: RepositoryName, manifest: Manifest, { blobs }: ManifestRecord): void {
    this.#manifests.set(`${repository}@${manifest.descriptor.digest}`, manifest);
    for (const { digest, size } of blobs) this.#blobSizes.set(`${repository}@${digest}`, size);
  }

  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    await using blob = await this.#parts.blobs.open(digest);
    if (blob === undefined || blob.size > maxManifestSize) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    if (digestLike(digest, bytes) === digest) return bytes;
    this.#parts.log.error({ digest }, 'a cached manifest is damaged on disk: fetching it again');
    await this.#parts.blobs.delete(digest);
    return undefined;
  }

  async #store(repository: RepositoryName, record: ManifestRecord, { bytes }: Manifest): Promise<void> {
    const { blobs, metadata } = this.#parts;
    const { digest } = record.descriptor;
    // A file without a record may be one that a power cut would take.
    const isKnown = (await metadata.getManifest(repository, digest)) !== undefined;
    if (!isKnown || (await blobs.stat(digest)) === undefined) await this.#write(digest, bytes);
    await metadata.putManifest(repository, record);
  }

  async #write(digest: Digest, bytes: Uint8Array): Promise<void> {
    const hasher = new DigestHasher(digest);
    hasher.update(bytes);
    await using writer = await this.#parts.blobs.begin(digest);
    await writer.write(bytes);
    await writer.commit(hasher.verify());
  }
}

/** What the store is to know of it. */
function recordOf({ bytes, descriptor }: Manifest): ManifestRecord {
  const { artifactType, annotations, blobs, subject } = parseManifest(bytes, descriptor.mediaType);
  return {
    descriptor: {
      ...descriptor,
      ...(artifactType && { artifactType }),
      ...(annotations && { annotations }),
    },
    blobs,
    subject,
  };
}
