import { recordOf } from '../../cache/memory/stored-manifests.ts';
import { jsonReader } from '../../json/json-reader.ts';
import { DigestHasher } from '../../oci/digest.ts';
import { Fault } from '../../oci/fault.ts';
import type { ManifestContent } from '../../oci/manifest.ts';
import type { Platform } from '../../oci/platform.ts';
import { type Digest, hostOf, type ImageName, isDigest, type RepositoryName } from '../../oci/reference.ts';
import type { Manifest } from '../../oci/registry.ts';
import {
  leaseContent,
  linkBlob,
  noteCheck,
  type Operation,
  putManifest,
  putTag,
} from '../../storage/operation.ts';
import type { Stamp } from '../../storage/stamp.ts';
import { type ImageTree, readTree } from '../image-tree.ts';
import { LoadError } from '../load-error.ts';
import type { ArchiveStores } from './archive-blobs.ts';
import type { ArchivedImage } from './archived-images.ts';
import { storedBytes } from './stored-bytes.ts';

/** In one transaction (see MetadataStore.change). */
const maxOperations = 100;
/** What is in the store already stays there until it is named. Milliseconds. */
const leaseMs = 10 * 60_000;

export interface ImportParts extends ArchiveStores {
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
  /** Of a file that was hashed just now. */
  readonly stampOf?: (digest: Digest) => Stamp | undefined;
}

type ReadManifest = Manifest & { readonly content: ManifestContent };

/**
 * Makes an image known whose blobs were stored out of an archive: blobs first, then manifests, each behind what it names, its tag last, so that
 * nothing is seen by halves. What an index names and the archive has not is fetched when somebody asks for it. Throws LoadError where a manifest of
 * it lacks a blob, or where nothing of it is there.
 */
export async function importImage(
  image: ArchivedImage,
  { repository, reference }: ImageName,
  platforms: readonly Platform[],
  parts: ImportParts,
): Promise<ImageTree> {
  const { content, metadata, clock, changed, stampOf } = parts;
  if (image.made !== undefined) await putMade(image.root, image.made, parts);
  const getManifest = async (digest: Digest): Promise<ReadManifest | undefined> =>
    await storedManifest(repository, digest, image, parts);
  const tree = await readTree(image.root, {
    ...{ repository, platforms },
    getManifest: async (wanted) => (isDigest(wanted) ? await getManifest(wanted) : undefined),
  });
  if (tree.blobs.length === 0) throw new LoadError('there is nothing in it: none of its manifests is there');
  await lease([...tree.blobs, ...tree.manifests], parts);
  let operations: Operation[] = [];
  const write = async (): Promise<void> => {
    await metadata.change(operations);
    changed(operations);
    operations = [];
  };
  const add = async (operation: Operation): Promise<void> => {
    operations.push(operation);
    if (operations.length >= maxOperations) await write();
  };
  for (const digest of tree.blobs) {
    const blob = await content.stat(digest);
    if (blob === undefined) throw new LoadError(`it lacks the blob ${digest}`);
    await add(linkBlob(repository, digest, blob.size, 'import', stampOf?.(digest)));
  }
  for (const digest of tree.manifests.toReversed()) {
    const manifest = await getManifest(digest);
    if (manifest === undefined) throw new LoadError(`its manifest ${digest} was lost while it was loaded`);
    const { descriptor } = manifest;
    const stamp = stampOf?.(digest);
    await add(putManifest(repository, recordOf(manifest, manifest.content), 'import'));
    if (stamp !== undefined) await add(noteCheck(digest, descriptor.size, stamp));
    if (digest === tree.root && !isDigest(reference))
      await add(putTag(repository, { tag: reference, descriptor, checkedAt: clock.now() }));
  }
  if (operations.length > 0) await write();
  return tree;
}

async function lease(digests: readonly Digest[], { metadata, clock }: ImportParts): Promise<void> {
  for (let at = 0; at < digests.length; at += maxOperations) {
    const some = digests.slice(at, at + maxOperations);
    await metadata.change([leaseContent(some, 'import', clock.now() + leaseMs)]);
  }
}

async function putMade(root: Digest, bytes: Uint8Array, { content, spools }: ArchiveStores): Promise<void> {
  const hasher = new DigestHasher(root);
  hasher.update(bytes);
  await using spool = await spools.begin();
  await spool.write(0, bytes);
  await content.put(spool, hasher.verify());
}

/** Undefined: the archive has not brought it. The media type of all but the root stands in its bytes. */
async function storedManifest(
  repository: RepositoryName,
  digest: Digest,
  { root, mediaType }: ArchivedImage,
  { content: stored }: ArchiveStores,
): Promise<ReadManifest | undefined> {
  const bytes = await storedBytes(stored, digest);
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
