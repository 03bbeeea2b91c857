import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { DigestHasher, digestLike } from '../oci/digest.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { Descriptor, Manifest } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ManifestRecord, MetadataStore, TagRecord } from '../storage/metadata-store.ts';
import type { BlobSizes } from './blob-sizes.ts';
import { notVouchedFor } from './freshness.ts';
import { type Announcement, type Asked, KnownTags } from './known-tags.ts';
import type { TaskSet } from './task-set.ts';

export interface ManifestCacheParts {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  readonly sizes: BlobSizes;
  readonly tasks: TaskSet;
  readonly clock: Clock;
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
  readonly #tags: KnownTags;
  /** Found damaged on disk and not written anew yet. */
  readonly #damaged = new Set<Digest>();

  constructor(parts: ManifestCacheParts) {
    this.#parts = parts;
    this.#tags = new KnownTags(parts.clock);
  }

  /** Undefined: not cached for this repository, or its bytes are gone or damaged. */
  async find(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const key = `${repository}@${digest}`;
    const known = this.#manifests.get(key);
    if (known !== undefined) return known;
    const descriptor = await this.#parts.metadata.getManifest(repository, digest);
    const bytes = descriptor === undefined ? undefined : await this.#read(digest);
    // What was damaged when it was read may have been fetched meanwhile.
    const kept = this.#manifests.get(key);
    if (kept !== undefined || descriptor === undefined || bytes === undefined) return kept;
    const manifest = { descriptor, bytes };
    this.#manifests.set(key, manifest);
    return manifest;
  }

  async findTag(repository: RepositoryName, tag: Tag): Promise<TagRecord | undefined> {
    const known = this.#tags.get(repository, tag);
    if (known !== undefined) return known;
    const record = await this.#parts.metadata.getTag(repository, tag);
    return record === undefined ? this.#tags.get(repository, tag) : this.#tags.recall(repository, record);
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
  announce(repository: RepositoryName, tag: Tag, descriptor: Descriptor, asked: Asked): void {
    const here = this.#manifests.get(`${repository}@${descriptor.digest}`);
    if (here === undefined) this.#tags.announce(repository, tag, descriptor, asked);
    else this.keepTag(repository, here, tag, asked);
  }

  /** Tags that were announced to point at it do so from now on. */
  keep(repository: RepositoryName, manifest: Manifest): void {
    this.#keep(repository, manifest, this.#arrived(repository, manifest));
  }

  /**
   * The manifest is kept too: a tag never points at what is not there. An answer that another has overtaken moves no tag; one
   * in which upstream contradicted itself is never fresh.
   */
  keepTag(repository: RepositoryName, manifest: Manifest, tag: Tag, asked: Asked): void {
    const { descriptor, contradicts } = manifest;
    const checkedAt = contradicts === undefined ? asked.at : notVouchedFor;
    const record: TagRecord = { tag, descriptor, checkedAt };
    const moved = this.#tags.point(repository, record, asked) ? [record] : [];
    const records = [...moved, ...this.#arrived(repository, manifest)];
    const isKept = this.#manifests.has(`${repository}@${descriptor.digest}`);
    if (records.length > 0 || !isKept) this.#keep(repository, manifest, records);
  }

  /** Upstream has said that the tag still points there. */
  touch(repository: RepositoryName, { tag, descriptor }: TagRecord, asked: Asked): void {
    const record: TagRecord = { tag, descriptor, checkedAt: asked.at };
    if (!this.#tags.point(repository, record, asked)) return;
    this.#parts.tasks.run('storing a tag', async () => await this.#putTag(repository, record));
  }

  /** The tags that were announced to point at what has come. */
  #arrived(repository: RepositoryName, { descriptor }: Manifest): TagRecord[] {
    return this.#tags.announcementsOf(repository, descriptor.digest).flatMap(({ tag, asked }) => {
      const record: TagRecord = { tag, descriptor, checkedAt: asked.at };
      return this.#tags.point(repository, record, asked) ? [record] : [];
    });
  }

  #keep(repository: RepositoryName, manifest: Manifest, tags: readonly TagRecord[]): void {
    const record = this.#remember(repository, manifest);
    this.#parts.tasks.run('storing a manifest', async () => {
      await this.#store(repository, record, manifest);
      for (const tag of tags) await this.#putTag(repository, tag);
      if (tags.length > 0) this.#parts.changed();
    });
  }

  /** What is known by now counts: an older answer may be stored after a newer one. */
  async #putTag(repository: RepositoryName, record: TagRecord): Promise<void> {
    const known = this.#tags.get(repository, record.tag);
    if (known === undefined || known === record) await this.#parts.metadata.putTag(repository, record);
  }

  /** In memory at once; returns what the store is to know of it. */
  #remember(repository: RepositoryName, manifest: Manifest): ManifestRecord {
    const { bytes, descriptor } = manifest;
    const { artifactType, annotations, blobs, subject } = parseManifest(bytes, descriptor.mediaType);
    this.#manifests.set(`${repository}@${descriptor.digest}`, { descriptor, bytes });
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
