import { LRUCache } from 'lru-cache';
import type { Log } from '../log.ts';
import { DigestHasher, digestLike } from '../oci/digest.ts';
import { maxManifestSize, parseManifest } from '../oci/manifest.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { type BlobStore, BlobUnreadableError } from '../storage/blob-store.ts';
import type { ManifestRecord, MetadataStore } from '../storage/metadata-store.ts';

interface Stores {
  readonly blobs: BlobStore;
  readonly metadata: MetadataStore;
  readonly log: Log;
}

/** A disk may be damaged as a whole. */
const maxDamaged = 10_000;

/** Manifests in the stores: the bytes of each are a blob, and a record says which repository has them. */
export class StoredManifests {
  readonly #stores: Stores;
  /** Found damaged on disk and not written anew yet. One that is forgotten is found again when it is read. */
  readonly #damaged = new LRUCache<Digest, true>({ max: maxDamaged });

  constructor(stores: Stores) {
    this.#stores = stores;
  }

  /** Undefined: not stored for this repository, or its bytes are gone or damaged. */
  async get(repository: RepositoryName, digest: Digest): Promise<Manifest | undefined> {
    const descriptor = await this.#stores.metadata.getManifest(repository, digest);
    const bytes = descriptor === undefined ? undefined : await this.#read(digest);
    return descriptor === undefined || bytes === undefined ? undefined : { descriptor, bytes };
  }

  /** The record comes when the bytes are durable. */
  async put(repository: RepositoryName, record: ManifestRecord, bytes: Uint8Array): Promise<void> {
    const { blobs, metadata } = this.#stores;
    const { digest } = record.descriptor;
    // A file without a record may be one that a power cut would take.
    const isKnown = (await metadata.getManifest(repository, digest)) !== undefined;
    const stored = isKnown ? await blobs.stat(digest) : undefined;
    if (stored?.size !== bytes.length || this.#damaged.has(digest)) await this.#write(digest, bytes);
    await metadata.putManifest(repository, record);
  }

  async #read(digest: Digest): Promise<Uint8Array | undefined> {
    try {
      await using blob = await this.#stores.blobs.open(digest);
      if (blob === undefined || blob.size > maxManifestSize) return undefined;
      const chunks: Uint8Array[] = [];
      for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
      const bytes = Buffer.concat(chunks);
      if (digestLike(digest, bytes) === digest) return bytes;
      throw new BlobUnreadableError('its bytes are not those of its digest');
    } catch (error) {
      if (!(error instanceof BlobUnreadableError)) throw error;
      this.#stores.log.error(
        { err: error, digest },
        'a cached manifest is damaged on disk: fetching it again',
      );
      // Not deleted: by now the right bytes may be there.
      this.#damaged.set(digest, true);
      return undefined;
    }
  }

  async #write(digest: Digest, bytes: Uint8Array): Promise<void> {
    const hasher = new DigestHasher(digest);
    hasher.update(bytes);
    await using writer = await this.#stores.blobs.begin(digest);
    await writer.write(bytes);
    await writer.commit(hasher.verify());
    this.#damaged.delete(digest);
  }
}

/** What the store is to know of it. */
export function recordOf({ bytes, descriptor }: Manifest): ManifestRecord {
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
