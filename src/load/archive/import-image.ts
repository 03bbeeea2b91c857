import { recordOf } from '../../cache/memory/stored-manifests.ts';
import { jsonReader } from '../../json/json-reader.ts';
import { verifyWhole } from '../../oci/digest.ts';
import { Fault } from '../../oci/fault.ts';
import type { ManifestContent } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import {
  type Digest,
  hostOf,
  type ImageName,
  isDigest,
  type RepositoryName,
  type Tag,
} from '../../oci/reference.ts';
import type { Manifest } from '../../oci/registry.ts';
import { ContentAnnouncement } from '../../storage/content-announcement.ts';
import { ContentLease } from '../../storage/content-lease.ts';
import type { StoredBlob } from '../../storage/content-store.ts';
import {
  linkBlob,
  type Operation,
  ownBlob,
  putManifest,
  putTag,
  requireTag,
} from '../../storage/operation.ts';
import { longAgo, type TagRecord } from '../../storage/records.ts';
import { TagTakenError } from '../../storage/requirements.ts';
import { type ImageTree, readTree } from '../image-tree.ts';
import { LackedContentError, LoadError, PassingLoadError } from '../load-error.ts';
import type { ArchiveStores } from './archive-blobs.ts';
import type { ArchivedImage } from './archived-images.ts';
import { ChangeBatch, type ChangeParts } from './change-batch.ts';
import { storedBytes } from './stored-bytes.ts';

export interface ImportParts extends ArchiveStores, ChangeParts {
  /** Does a tag stay where it points for ever, as some that live here do? Default: none does. */
  readonly isImmutable?: ((repository: RepositoryName, tag: Tag) => boolean) | undefined;
  /** May it be that such a tag points somewhere, and the index does not say so yet, since it is made anew? Default: no. */
  readonly isBeingRestored?: (() => Promise<boolean>) | undefined;
}

/** Bytes whose digest was found right; with the stamp of their file, where that is known. */
export type BroughtBlob = Pick<StoredBlob, 'size' | 'stamp'>;

/** Where the bytes of an image come from. */
export interface BroughtContent {
  /**
   * Sees to it that the bytes of this digest are in the store, and that whoever brings the image has them, and not just their digest: what the store has
   * of others is nobody's to claim. Undefined: they were not brought. Throws LoadError for what is wrong with them.
   */
  bring(digest: Digest): Promise<BroughtBlob | undefined>;
}

/** What an image was imported with. */
export interface ImportedImage {
  readonly root: Digest;
  readonly manifests: number;
  readonly blobs: number;
  /** Manifests of its index that were left out, and why. */
  readonly lost: ReadonlyMap<Digest, LoadError>;
  /** Manifests of its index that were not brought, and are not here, or not with all that they name. */
  readonly absent: readonly Digest[];
}

/** What takes so long to come that whoever is interrupted should not have to bring it again. Bytes. */
const largeBlob = 1024 * 1024;

/**
 * Makes an image known: of each manifest its blobs first, then itself, each behind what it names, its tag last, so that nothing is seen by halves. What it
 * has is what was brought, and what its repository has already. What an index names and neither has whole is fetched when somebody asks for it, and what is
 * wrong with one of its manifests leaves that one out: then a tag that is there does not move. Throws LoadError for an image of one manifest that lacks a
 * blob, or where nothing of an index is there.
 */
export async function importImage(
  image: ArchivedImage,
  name: ImageName,
  platforms: readonly Platform[],
  source: BroughtContent,
  parts: ImportParts,
): Promise<ImportedImage> {
  return await new ImageImport(image, name, source, parts).run(platforms);
}

type ReadManifest = Manifest & { readonly content: ManifestContent };

class ImageImport {
  readonly #image: ArchivedImage;
  readonly #name: ImageName;
  readonly #source: BroughtContent;
  readonly #parts: ImportParts;
  readonly #batch: ChangeBatch;
  readonly #lost = new Map<Digest, LoadError>();
  readonly #absent = new Set<Digest>();
  readonly #put: Digest[] = [];
  readonly #blobs = new Set<Digest>();

  constructor(image: ArchivedImage, name: ImageName, source: BroughtContent, parts: ImportParts) {
    this.#image = image;
    this.#name = name;
    this.#source = source;
    this.#parts = parts;
    this.#batch = new ChangeBatch(name.repository, parts);
  }

  async run(platforms: readonly Platform[]): Promise<ImportedImage> {
    const { root, made } = this.#image;
    const conditions = this.#conditions;
    // Nothing of what is refused is kept.
    if (conditions.length > 0) {
      if ((await this.#parts.isBeingRestored?.()) === true) throw notRestored();
      await this.#unlessTaken(async () => await this.#parts.metadata.change(conditions));
    }
    using announced = new ContentAnnouncement(this.#parts);
    if (made !== undefined) {
      await announced.add(root);
      await this.#parts.content.keep(verifyWhole(root, made), made);
    }
    const { repository } = this.#name;
    const tree = await readTree(root, {
      ...{ repository, platforms },
      getManifest: async (wanted) => (isDigest(wanted) ? await this.#manifest(wanted) : undefined),
    });
    await using _ = await ContentLease.take([...tree.blobs, ...tree.manifests], 'import', this.#parts);
    await this.#putAll(tree);
    await this.#checkWhole();
    const absent = [...this.#absent];
    return { root, manifests: this.#put.length, blobs: this.#blobs.size, lost: this.#lost, absent };
  }

  async #putAll({ manifests }: ImageTree): Promise<void> {
    const { root } = this.#image;
    for (const digest of manifests.toReversed()) {
      const manifest = await this.#manifest(digest);
      if (manifest !== undefined) await this.#orLost(digest, async () => await this.#putManifest(manifest));
      else if (digest === root)
        throw new PassingLoadError(`its manifest ${digest} was lost while it was loaded`);
      if (manifest !== undefined && digest === root) await this.#putTag(manifest);
    }
    await this.#batch.end();
  }

  async #putManifest(manifest: ReadManifest): Promise<void> {
    const { digest } = manifest.descriptor;
    const { blobs, manifests } = manifest.content;
    for (const blob of blobs) await this.#link(blob.digest);
    // What names nothing is whole.
    const hasNothing = manifests.length > 0 && blobs.length + this.#put.length === 0;
    if (digest === this.#image.root && hasNothing) throw this.#nothing;
    const record = recordOf(manifest, manifest.content);
    await this.#batch.add(putManifest(this.#name.repository, record, 'import'));
    this.#put.push(digest);
  }

  get #nothing(): LoadError {
    const [first] = this.#lost.values();
    return first ?? new LoadError('there is nothing in it: none of its manifests is there');
  }

  async #link(digest: Digest): Promise<void> {
    const { repository } = this.#name;
    // It may be announced all the same.
    if (await this.#isOwned(digest)) await this.#batch.add(ownBlob(repository, digest, 'import'));
    else {
      const blob = await this.#source.bring(digest);
      if (blob === undefined) throw new LackedContentError(digest, `it lacks the blob ${digest}`);
      // It may have come long ago, and gone since.
      if ((await this.#parts.content.stat(digest)) === undefined) throw removed(digest);
      await this.#batch.add(linkBlob(repository, digest, blob.size, 'import', blob.stamp));
      if (blob.size >= largeBlob) await this.#batch.end();
    }
    this.#blobs.add(digest);
  }

  async #isOwned(digest: Digest): Promise<boolean> {
    const { content, metadata } = this.#parts;
    return (
      (await metadata.hasBlob(this.#name.repository, digest)) && (await content.stat(digest)) !== undefined
    );
  }

  async #putTag({ descriptor }: ReadManifest): Promise<void> {
    const { repository, reference } = this.#name;
    const { metadata, clock } = this.#parts;
    if (isDigest(reference)) return;
    const { checkedAt } = this.#image;
    const there = await metadata.getTag(repository, reference);
    if (there !== undefined && (this.#lost.size > 0 || isOlder(checkedAt, there))) return;
    const put = putTag(repository, { tag: reference, descriptor, checkedAt: checkedAt ?? clock.now() });
    const conditions = this.#conditions;
    // In one transaction with them.
    if (conditions.length > 0) await this.#batch.end();
    for (const operation of [...conditions, put]) await this.#batch.add(operation);
    if (conditions.length > 0) await this.#unlessTaken(async () => await this.#batch.end());
  }

  /** Of which the tag is put. */
  get #conditions(): readonly Operation[] {
    const { repository, reference } = this.#name;
    if (isDigest(reference) || this.#parts.isImmutable?.(repository, reference) !== true) return [];
    return [requireTag(repository, reference, this.#image.root)];
  }

  async #unlessTaken(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof TagTakenError)) throw error;
      throw new LoadError('its tag is immutable here, and points elsewhere');
    }
  }

  /** What was there at first may have been removed meanwhile, by whoever prunes. */
  async #checkWhole(): Promise<void> {
    const { repository } = this.#name;
    for (const digest of this.#put) {
      const [missing] = (await this.#parts.metadata.listMissingBlobs(repository, digest, 1)) ?? [];
      if (missing !== undefined) throw removed(missing.digest);
    }
  }

  async #orLost<Value>(digest: Digest, work: () => Promise<Value>): Promise<Value | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof LoadError) || digest === this.#image.root) throw error;
      if (await this.#isFromBefore(digest, error)) this.#absent.add(digest);
      else this.#lost.set(digest, error);
      return undefined;
    }
  }

  /** A manifest that lacks something, and that nobody has brought, is one that its repository had before: what it names may be on its way. */
  async #isFromBefore(digest: Digest, error: LoadError): Promise<boolean> {
    if (!(error instanceof LackedContentError) || error.digest === digest) return false;
    try {
      return (await this.#source.bring(digest)) === undefined;
    } catch (wrong) {
      if (wrong instanceof LoadError) return false;
      throw wrong;
    }
  }

  async #manifest(digest: Digest): Promise<ReadManifest | undefined> {
    return await this.#orLost(digest, async () => {
      const bytes = await this.#bytesOf(digest);
      if (bytes === undefined) this.#absent.add(digest);
      return bytes && (await this.#read(digest, bytes));
    });
  }

  /** Undefined: it was not brought, and its repository has it not. */
  async #bytesOf(digest: Digest): Promise<Uint8Array | undefined> {
    const { content, metadata } = this.#parts;
    const { root, made } = this.#image;
    const isOwn =
      (made !== undefined && digest === root) ||
      (await metadata.getManifest(this.#name.repository, digest)) !== undefined;
    const bytes = isOwn ? await storedBytes(content, digest) : undefined;
    if (bytes !== undefined) return bytes;
    return (await this.#source.bring(digest)) === undefined ? undefined : await storedBytes(content, digest);
  }

  /** The media type of all but the root stands in its bytes. */
  async #read(digest: Digest, bytes: Uint8Array): Promise<ReadManifest> {
    const { root, mediaType } = this.#image;
    const type = digest === root ? mediaType : undefined;
    try {
      const host = hostOf(this.#name.repository);
      const { head: content } = await jsonReader.read(host, 'manifest', bytes, type);
      return { descriptor: { mediaType: content.mediaType, digest, size: bytes.length }, bytes, content };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new LoadError(`${digest}: it has ${error.message}`);
    }
  }
}

/** Where it is not known when the tag that is there was checked, that is what an index knew that was lost, and later than what was found beside it. */
function isOlder(checkedAt: number | undefined, there: TagRecord): boolean {
  return checkedAt !== undefined && there.checkedAt <= longAgo;
}

function notRestored(): LoadError {
  return new PassingLoadError(
    'its tag is immutable, and the index is being made anew: nobody knows yet whether it points elsewhere',
  );
}

function removed(digest: Digest): LoadError {
  return new PassingLoadError(`its blob ${digest} was removed while it was loaded: load it again`);
}
