import type { Descriptor } from '../oci/descriptor.ts';
import { digestLike, sha256 } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import { parseManifest } from '../oci/manifest.ts';
import { resolveRange } from '../oci/range.ts';
import { type Digest, isDigest, type Reference, type RepositoryName, type Tag } from '../oci/reference.ts';
import type {
  BlobInfo,
  BlobOptions,
  BlobReader,
  Manifest,
  ReferrersList,
  Registry,
  TagList,
  TagListOptions,
} from '../oci/registry.ts';
import { behind } from '../oci/tag-order.ts';

interface Content {
  readonly manifests: Map<Digest, Manifest>;
  readonly tags: Map<Tag, Digest>;
  readonly blobs: Map<Digest, Uint8Array>;
}

/** Content in memory: for tests, demonstrations and as the heart of the fake upstream. */
export class MemoryRegistry implements Registry {
  readonly #repositories = new Map<RepositoryName, Content>();

  /** Stores a blob; returns its descriptor. `digest` for another algorithm than sha256. */
  putBlob(repository: RepositoryName, bytes: Uint8Array, digest: Digest = sha256(bytes)): Descriptor {
    this.#create(repository).blobs.set(digest, bytes);
    return { mediaType: 'application/octet-stream', digest, size: bytes.length };
  }

  /** Stores a manifest and points the reference at it, if that is a tag. */
  putManifest(
    repository: RepositoryName,
    reference: Reference | undefined,
    bytes: Uint8Array,
    mediaType?: string,
  ): Descriptor {
    const content = this.#create(repository);
    const digest =
      reference !== undefined && isDigest(reference) ? digestLike(reference, bytes) : sha256(bytes);
    const { mediaType: type } = parseManifest(bytes, mediaType);
    const descriptor = { mediaType: type, digest, size: bytes.length };
    content.manifests.set(digest, { descriptor, bytes });
    if (reference !== undefined && !isDigest(reference)) content.tags.set(reference, digest);
    return descriptor;
  }

  deleteTag(repository: RepositoryName, tag: Tag): boolean {
    return this.#repositories.get(repository)?.tags.delete(tag) ?? false;
  }

  async resolveManifest(repository: RepositoryName, reference: Reference): Promise<Descriptor> {
    return (await this.getManifest(repository, reference)).descriptor;
  }

  async getManifest(repository: RepositoryName, reference: Reference): Promise<Manifest> {
    const { manifests, tags } = this.#content(repository);
    const digest = isDigest(reference) ? reference : tags.get(reference);
    const manifest = digest === undefined ? undefined : manifests.get(digest);
    if (manifest === undefined) throw new RegistryError('MANIFEST_UNKNOWN');
    return manifest;
  }

  async resolveBlob(repository: RepositoryName, digest: Digest): Promise<BlobInfo> {
    return { digest, size: this.#blob(repository, digest).length };
  }

  async getBlob(repository: RepositoryName, digest: Digest, options: BlobOptions = {}): Promise<BlobReader> {
    const bytes = this.#blob(repository, digest);
    const range = options.range === undefined ? undefined : resolveRange(options.range, bytes.length);
    const part = range === undefined ? bytes : bytes.subarray(range.first, range.last + 1);
    return { digest, size: bytes.length, range, body: chunks(part), async [Symbol.asyncDispose]() {} };
  }

  async listTags(repository: RepositoryName, { n, last }: TagListOptions = {}): Promise<TagList> {
    const all = behind([...this.#content(repository).tags.keys()].sort(), last);
    const tags = all.slice(0, n);
    return { tags, hasMore: tags.length < all.length };
  }

  async listReferrers(repository: RepositoryName, digest: Digest): Promise<ReferrersList> {
    const manifests = [...(this.#repositories.get(repository)?.manifests.values() ?? [])];
    const referrers = manifests.flatMap(({ descriptor, bytes }) => {
      const { subject, artifactType, annotations } = parseManifest(bytes, descriptor.mediaType);
      if (subject !== digest) return [];
      return [{ ...descriptor, ...(artifactType && { artifactType }), ...(annotations && { annotations }) }];
    });
    return { referrers };
  }

  #content(repository: RepositoryName): Content {
    const content = this.#repositories.get(repository);
    if (content === undefined) throw new RegistryError('NAME_UNKNOWN');
    return content;
  }

  #create(repository: RepositoryName): Content {
    const content = this.#repositories.get(repository) ?? {
      manifests: new Map(),
      tags: new Map(),
      blobs: new Map(),
    };
    this.#repositories.set(repository, content);
    return content;
  }

  #blob(repository: RepositoryName, digest: Digest): Uint8Array {
    const bytes = this.#content(repository).blobs.get(digest);
    if (bytes === undefined) throw new RegistryError('BLOB_UNKNOWN');
    return bytes;
  }
}

async function* chunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
}
