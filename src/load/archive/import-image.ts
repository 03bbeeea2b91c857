import { recordOf } from '../../cache/memory/stored-manifests.ts';
import { jsonReader } from '../../json/json-reader.ts';
import { DigestHasher } from '../../oci/digest.ts';
import { Fault } from '../../oci/fault.ts';
import type { ManifestContent } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import { type Digest, hostOf, type ImageName, isDigest, type RepositoryName } from '../../oci/reference.ts';
import type { Manifest } from '../../oci/registry.ts';
import { linkBlob, type Operation, putManifest, putTag } from '../../storage/operation.ts';
import { type ImageTree, readTree } from '../image-tree.ts';
import { LoadError } from '../load-error.ts';
import type { ArchiveStores } from './archive-blobs.ts';
import type { ArchivedImage } from './archived-images.ts';
import { storedBytes } from './stored-bytes.ts';

/** In one transaction (see MetadataStore.change). */
const maxOperations = 100;

export interface ImportParts extends ArchiveStores {
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

/** Where the bytes of an image come from. */
export interface BroughtContent {
  /**
   * Sees to it that the bytes of this digest are in the store, and that whoever brings the image has them, and not just their digest: what the store has
   * of others is nobody's to claim. Returns their size; undefined: they were not brought. Throws LoadError for what is wrong with them.
   */
  bring(digest: Digest): Promise<number | undefined>;
}

type ReadManifest = Manifest & { readonly content: ManifestContent };

/**
 * Makes an image known: blobs first, then manifests, each behind what it names, its tag last, so that nothing is seen by halves. What it has is what
 * was brought, and what its repository has already. What an index names and neither has is fetched when somebody asks for it. Throws LoadError where a
 * manifest of it lacks a blob, or where nothing of it is there.
 */
export async function importImage(
  image: ArchivedImage,
  { repository, reference }: ImageName,
  platforms: readonly Platform[],
  source: BroughtContent,
  parts: ImportParts,
): Promise<ImageTree> {
  const { metadata, clock, changed } = parts;
  if (image.made !== undefined) await putMade(image.root, image.made, parts);
  const getManifest = async (digest: Digest): Promise<ReadManifest | undefined> =>
    await storedManifest(repository, digest, image, source, parts);
  const tree = await readTree(image.root, {
    ...{ repository, platforms },
    getManifest: async (wanted) => (isDigest(wanted) ? await getManifest(wanted) : undefined),
  });
  if (tree.blobs.length === 0) throw new LoadError('there is nothing in it: none of its manifests is there');
  let operations: Operation[] = [];
  const add = async (operation: Operation, isLast = false): Promise<void> => {
    operations.push(operation);
    if (operations.length < maxOperations && !isLast) return;
    await metadata.change(operations);
    changed(operations);
    operations = [];
  };
  for (const digest of tree.blobs) {
    if (await isOwned(repository, digest, parts)) continue;
    const size = await source.bring(digest);
    if (size === undefined) throw new LoadError(`it lacks the blob ${digest}`);
    await add(linkBlob(repository, digest, size, 'import'));
  }
  for (const digest of tree.manifests.toReversed()) {
    const manifest = await getManifest(digest);
    if (manifest === undefined) throw new LoadError(`its manifest ${digest} was lost while it was loaded`);
    const isLast = digest === tree.root;
    const tag = isLast && !isDigest(reference) ? reference : undefined;
    await add(putManifest(repository, recordOf(manifest, manifest.content), 'import'), isLast && !tag);
    const { descriptor } = manifest;
    const { checkedAt = clock.now() } = image;
    if (tag !== undefined) await add(putTag(repository, { tag, descriptor, checkedAt }), true);
  }
  await checkWhole(repository, tree, parts);
  return tree;
}

async function isOwned(
  repository: RepositoryName,
  digest: Digest,
  { content, metadata }: ImportParts,
): Promise<boolean> {
  return (await metadata.hasBlob(repository, digest)) && (await content.stat(digest)) !== undefined;
}

/** What was there at first may have been removed meanwhile, by whoever prunes. */
async function checkWhole(
  repository: RepositoryName,
  { manifests }: ImageTree,
  { metadata }: ImportParts,
): Promise<void> {
  for (const digest of manifests) {
    const [missing] = (await metadata.listMissingBlobs(repository, digest, 1)) ?? [];
    if (missing !== undefined)
      throw new LoadError(`its blob ${missing.digest} was removed while it was loaded: load it again`);
  }
}

async function putMade(root: Digest, bytes: Uint8Array, { content, spools }: ArchiveStores): Promise<void> {
  const hasher = new DigestHasher(root);
  hasher.update(bytes);
  await using spool = await spools.begin();
  await spool.write(0, bytes);
  await content.put(spool, hasher.verify());
}

/** Undefined: it was not brought, and its repository has it not. The media type of all but the root stands in its bytes. */
async function storedManifest(
  repository: RepositoryName,
  digest: Digest,
  { root, mediaType, made }: ArchivedImage,
  source: BroughtContent,
  { content: stored, metadata }: ArchiveStores,
): Promise<ReadManifest | undefined> {
  const isKnown =
    (made !== undefined && digest === root) || (await metadata.getManifest(repository, digest)) !== undefined;
  let bytes = isKnown ? await storedBytes(stored, digest) : undefined;
  if (bytes === undefined) {
    if ((await source.bring(digest)) === undefined) return undefined;
    bytes = await storedBytes(stored, digest);
  }
  if (bytes === undefined) return undefined;
  const type = digest === root ? mediaType : undefined;
  try {
    const { head: content } = await jsonReader.read(hostOf(repository), 'manifest', bytes, type);
    return { descriptor: { mediaType: content.mediaType, digest, size: bytes.length }, bytes, content };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new LoadError(`${digest}: it has ${error.message}`);
  }
}
