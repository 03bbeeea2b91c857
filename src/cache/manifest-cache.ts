import { LRUCache } from 'lru-cache';
import type { Log } from '../log.ts';
import { DigestHasher, digestLike } from '../oci/digest.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ManifestRecord, MetadataStore, TagRecord } from '../storage/metadata-store.ts';
import type { BlobSizes } from './blob-sizes.ts';
import type { TaskSet } from './task-set.ts';

export interface ManifestCacheParts {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  readonly sizes: BlobSizes;
  readonly tasks: TaskSet;
  readonly log: Log;
  /** Told after each change that another reader of the directory could see. */
  readonly changed: () => void;
}

/** Manifests and tags: memory in front of the stores. What is kept is in memory at once and in the stores soon after. */
export class ManifestCache {
  readonly #parts: ManifestCacheParts;
  readonly #manifests = new LRUCache<string, Manifest>({
    maxSize: 64 * 1024 * 1024,
    sizeCalculation: ({ bytes }) => bytes.length + 512,
  });
  readonly #tags = new LRUCache<string, TagRecord>({ max: 50_000 });
  /** Found damaged on disk and not written anew yet. */
  readonly #damaged = new Set<Digest>();

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
    // What was damaged when it was read may have been fetched meanwhile.
    if (descriptor === undefined || bytes === undefined) return this.#manifests.get(key);
    const manifest = { descriptor, bytes };
    this.#manifests.set(key, manifest);
    return manifest;
  }

  async findTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const key = `${repository}:${tag}`;
    const known = this.#tags.get(key);
    if (known !== undefined) return known;
    const record = await this.#parts.metadata.getTag(repository, tag);
    // What upstream has said meanwhile is newer.
    const newer = this.#tags.get(key);
    if (newer === undefined && record !== undefined) this.#tags.set(key, record);
    return newer ?? record;
  }

  keep(repository: RepositoryName, manifest: Manifest): void {
    const record = this.#remember(repository, manifest);
    this.#parts.tasks.run('storing a manifest', async () => await this.#store(repository, record, manifest));
  }

  /** The manifest is kept too: a tag never points at what is not there. */
  keepTag(repository: RepositoryName, manifest: Manifest, tag: Tag, checkedAt: number): void {
    const record: TagRecord = { tag, descriptor: manifest.descriptor, checkedAt };
    const manifestRecord = this.#remember(repository, manifest);
    this.#tags.set(`${repository}:${tag}`, record);
    this.#parts.tasks.run('storing a tag', async () => {
      await this.#store(repository, manifestRecord, manifest);
      await this.#parts.metadata.putTag(repository, record);
      this.#parts.changed();
    });
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

  /** In memory at once; returns what the store is to know of it. */
  #remember(repository: RepositoryName, manifest: Manifest): ManifestRecord {
    const { bytes, descriptor } = manifest;
    const { artifactType, annotations, blobs, subject } = parseManifest(bytes, descriptor.mediaType);
    this.#manifests.set(`${repository}@${descriptor.digest}`, manifest);
    this.#parts.sizes.claim(repository, blobs);
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

  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    await using blob = await this.#parts.blobs.open(digest);
    if (blob === undefined || blob.size > maxManifestSize) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    if (digestLike(digest, bytes) === digest) return bytes;
    this.#parts.log.error({ digest }, 'a cached manifest is damaged on disk: fetching it again');
    // Not deleted: by now the right bytes may be there.
    this.#damaged.add(digest);
    return undefined;
  }

  async #store(repository: RepositoryName, record: ManifestRecord, { bytes }: Manifest): Promise<void> {
    const { blobs, metadata } = this.#parts;
    const { digest } = record.descriptor;
    const stored = await blobs.stat(digest);
    if (stored?.size !== bytes.length || this.#damaged.has(digest)) await this.#write(digest, bytes);
    await metadata.putManifest(repository, record);
  }

  async #write(digest: Digest, bytes: Uint8Array): Promise<void> {
    const hasher = new DigestHasher(digest);
    hasher.update(bytes);
    await using writer = await this.#parts.blobs.begin(digest);
    await writer.write(bytes);
    await writer.commit(hasher.verify());
    this.#damaged.delete(digest);
  }
}
