import { recordOf } from '../cache/memory/stored-manifests.ts';
import { jsonReader } from '../json/json-reader.ts';
import { digestLike, verifyWhole } from '../oci/digest.ts';
import { Fault } from '../oci/fault.ts';
import { type ManifestContent, maxManifestSize } from '../oci/manifest.ts';
import { type Digest, hostOf, type RepositoryName } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { BlobUnreadableError, type ContentStore } from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { linkBlob, type Operation, type RestoredBy, restoreManifest } from '../storage/operation.ts';
import { longAgo } from '../storage/records.ts';
import type { ListedName } from './listed-names.ts';
import { NotRebuilt } from './not-rebuilt.ts';

/** In one transaction (see MetadataStore.change). */
const maxOperations = 100;
/** Of one image, by indexes of indexes. */
const maxManifests = 10_000;

export interface RebuildParts {
  readonly content: ContentStore;
  readonly metadata: MetadataStore;
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

type ReadManifest = Manifest & { readonly content: ManifestContent };

/**
 * Makes an image known again whose manifests lie in the store, from its root downwards, so that nothing is put back that was removed meanwhile. Of the blobs
 * that lie there its repository owns those that they name, and no others; none is hashed. What is known of the tag by now stays. False: it was removed since
 * the list was written. Throws {@link NotRebuilt} where its manifest is not there, and for one below it when all the others are known; RegistryError where
 * there is no room to read one.
 */
export async function rebuildImage(listed: ListedName, parts: RebuildParts): Promise<boolean> {
  return await new ImageRebuild(listed, parts).run();
}

class ImageRebuild {
  readonly #listed: ListedName;
  readonly #parts: RebuildParts;
  readonly #led: Set<Digest>;
  #problem: NotRebuilt | undefined;

  constructor(listed: ListedName, parts: RebuildParts) {
    this.#listed = listed;
    this.#parts = parts;
    this.#led = new Set([listed.digest]);
  }

  async run(): Promise<boolean> {
    const { repository, digest: root } = this.#listed;
    // It grows meanwhile.
    for (const digest of this.#led) await this.#restore(digest);
    if (this.#problem !== undefined) throw this.#problem;
    return await this.#isKnown(repository, root);
  }

  async #restore(digest: Digest): Promise<void> {
    const { repository, digest: root } = this.#listed;
    const manifest = await this.#read(digest);
    if (manifest === undefined) {
      if (digest === root) this.#problem = new NotRebuilt(`its manifest ${digest} is missing`, 'lost');
      return;
    }
    await this.#put(manifest);
    if (!(await this.#isKnown(repository, digest))) return;
    await this.#linkBlobs(manifest.content);
    for (const { digest: child } of manifest.content.manifests) this.#lead(child);
  }

  #lead(child: Digest): void {
    if (this.#led.size < maxManifests) this.#led.add(child);
    else if (this.#problem?.why !== 'unread')
      this.#problem = new NotRebuilt(`it has more than ${maxManifests} manifests`, 'too large');
  }

  async #put(manifest: ReadManifest): Promise<void> {
    const { repository, origin } = this.#listed;
    const { content } = this.#parts;
    const { digest } = manifest.descriptor;
    const record = recordOf(manifest, manifest.content);
    await this.#change([restoreManifest(repository, record, this.#by(digest), origin)]);
    if (!(await this.#isKnown(repository, digest))) return;
    // It may have gone since it was read; from now on it stays.
    if ((await content.stat(digest)) === undefined)
      await content.keep(verifyWhole(digest, manifest.bytes), manifest.bytes);
  }

  #by(digest: Digest): RestoredBy {
    const { digest: root, tag, isPinned } = this.#listed;
    return digest === root ? { tag, checkedAt: longAgo, isPinned } : 'index';
  }

  /** Nothing takes them from one who names them. */
  async #linkBlobs({ blobs }: ManifestContent): Promise<void> {
    const { repository, origin } = this.#listed;
    let links: Operation[] = [];
    for (const { digest } of blobs) {
      if ((await this.#parts.content.stat(digest)) === undefined) continue;
      links.push(linkBlob(repository, digest, undefined, origin));
      if (links.length < maxOperations) continue;
      await this.#change(links);
      links = [];
    }
    await this.#change(links);
  }

  async #change(operations: readonly Operation[]): Promise<void> {
    if (operations.length === 0) return;
    await this.#parts.metadata.change(operations);
    this.#parts.changed(operations);
  }

  async #isKnown(repository: RepositoryName, digest: Digest): Promise<boolean> {
    return (await this.#parts.metadata.getManifest(repository, digest)) !== undefined;
  }

  /** Undefined: it is not there, or none; of one that an index names the others are gone on with. */
  async #read(digest: Digest): Promise<ReadManifest | undefined> {
    const { repository, digest: root, mediaType } = this.#listed;
    try {
      return await storedManifest(
        repository,
        digest,
        digest === root ? mediaType : undefined,
        this.#parts.content,
      );
    } catch (error) {
      if (!(error instanceof NotRebuilt) || digest === root) throw error;
      if (this.#problem?.why !== 'unread') this.#problem = error;
      return undefined;
    }
  }
}

/** Undefined: it is not there, or not what its digest says. The media type of all but the root stands in its bytes. Throws NotRebuilt. */
async function storedManifest(
  repository: RepositoryName,
  digest: Digest,
  type: string | undefined,
  content: ContentStore,
): Promise<ReadManifest | undefined> {
  const bytes = await storedBytes(content, digest);
  if (bytes === undefined) return undefined;
  try {
    const { head } = await jsonReader.read(hostOf(repository), 'manifest', bytes, type);
    return {
      descriptor: { mediaType: type ?? head.mediaType, digest, size: bytes.length },
      bytes,
      content: head,
    };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new NotRebuilt(`${digest}: it has ${error.message}`, 'lost');
  }
}

async function storedBytes(content: ContentStore, digest: Digest): Promise<Uint8Array | undefined> {
  try {
    await using blob = await content.open(digest);
    if (blob === undefined || blob.size > maxManifestSize) return undefined;
    const chunks: Uint8Array[] = [];
    for await (const chunk of blob.read()) chunks.push(Uint8Array.from(chunk));
    const bytes = Buffer.concat(chunks);
    return digestLike(digest, bytes) === digest ? bytes : undefined;
  } catch (error) {
    if (!(error instanceof BlobUnreadableError)) throw error;
    throw new NotRebuilt(`its manifest ${digest} cannot be read`, 'unread', { cause: error });
  }
}
