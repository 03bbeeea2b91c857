import { LRUCache } from 'lru-cache';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import { DigestHasher, digestLike } from '../oci/digest.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName, Tag } from '../oci/reference.ts';
import type { Descriptor, Manifest } from '../oci/registry.ts';
import type { BlobStore } from '../storage/blob-store.ts';
import type { ManifestRecord, MetadataStore, TagRecord } from '../storage/metadata-store.ts';
import type { Backlog } from './backlog.ts';
import type { BlobSizes } from './blob-sizes.ts';
import { notVouchedFor } from './freshness.ts';
import { type Announcement, type Asked, KnownTags } from './known-tags.ts';
import type { TaskSet } from './task-set.ts';

export interface ManifestCacheParts {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  readonly sizes: BlobSizes;
  readonly backlog: Backlog;
  readonly tasks: TaskSet;
  readonly clock: Clock;
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
  readonly #tags: KnownTags;
  /** What memory says of tags and the store does not. */
  readonly #unstored = new WeakSet<TagRecord>();
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
    if (known !== undefined && this.#leadsOn(repository, known)) return known;
    if (known !== undefined) this.#tags.drop(repository, known);
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
  async announce(repository: RepositoryName, tag: Tag, descriptor: Descriptor, asked: Asked): Promise<void> {
    const here = this.#manifests.get(`${repository}@${descriptor.digest}`);
    if (here === undefined) this.#tags.announce(repository, tag, descriptor, asked);
    else await this.keepTag(repository, here, tag, asked);
  }

  /**
   * Tags that were announced to point at it do so from now on. Settles when the store takes it, or cannot in time: whoever answers
   * with it waits for that. Nobody finds it here before, for what a client has will soon survive a crash.
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
      const moved = this.#tags.point(repository, record, asked) ? [record] : [];
      return [...moved, ...this.#arrived(repository, manifest)];
    });
  }

  /** Does the store know of it? Not yet, or it had no room. */
  isStored(record: TagRecord): boolean {
    return !this.#unstored.has(record);
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

  /** `point` says, once it is admitted, which tags point at it from now on. */
  async #keep(
    repository: RepositoryName,
    manifest: Manifest,
    point: () => readonly TagRecord[],
  ): Promise<void> {
    const record = recordOf(manifest);
    const admitted = Promise.withResolvers<void>();
    this.#parts.tasks.run('storing a manifest', async () => {
      using place = await this.#place(manifest);
      const isNew = this.#remember(repository, manifest, record);
      const tags = point();
      for (const tag of tags) this.#unstored.add(tag);
      admitted.resolve();
      if (place === undefined || (!isNew && tags.length === 0)) return;
      await this.#store(repository, record, manifest);
      for (const tag of tags) await this.#putTag(repository, tag);
      if (tags.length > 0) this.#parts.changed();
    });
    await admitted.promise;
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

  /** What is known by now counts: an older answer may be stored after a newer one. */
  async #putTag(repository: RepositoryName, record: TagRecord): Promise<void> {
    const known = this.#tags.get(repository, record.tag);
    if (known !== undefined && known !== record) return;
    await this.#parts.metadata.putTag(repository, record);
    this.#unstored.delete(record);
  }

  /** A tag that is in memory alone is worth nothing without its manifest. */
  #leadsOn(repository: RepositoryName, record: TagRecord): boolean {
    return this.isStored(record) || this.#manifests.has(`${repository}@${record.descriptor.digest}`);
  }

  /** True: memory did not have it. */
  #remember(repository: RepositoryName, { bytes, descriptor }: Manifest, { blobs }: ManifestRecord): boolean {
    const key = `${repository}@${descriptor.digest}`;
    const isNew = !this.#manifests.has(key);
    this.#manifests.set(key, { descriptor, bytes });
    this.#parts.sizes.claim(repository, blobs);
    return isNew;
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
    // A file without a record may be one that a power cut would take.
    const isKnown = (await metadata.getManifest(repository, digest)) !== undefined;
    const stored = isKnown ? await blobs.stat(digest) : undefined;
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
