import type { Clock } from '../base/clock.ts';
import { recordOf } from '../cache/memory/stored-manifests.ts';
import { jsonReader } from '../json/json-reader.ts';
import { readTree } from '../load/image-tree.ts';
import { LoadError } from '../load/load-error.ts';
import { digestLike } from '../oci/digest.ts';
import { Fault } from '../oci/fault.ts';
import { type ManifestContent, maxManifestSize } from '../oci/manifest.ts';
import { type Digest, hostOf, isDigest, type RepositoryName } from '../oci/reference.ts';
import type { Manifest } from '../oci/registry.ts';
import { ContentLease } from '../storage/content-lease.ts';
import { BlobUnreadableError, type ContentStore } from '../storage/content-store.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { linkBlob, type Operation, putManifest, putTag } from '../storage/operation.ts';
import type { ListedTag } from './listed-tags.ts';

/** In one transaction (see MetadataStore.change). */
const maxOperations = 100;
/** Older than whatever else is said of a tag. Milliseconds since the epoch; 0 would be no time. */
const longAgo = 1;

export interface RebuildParts {
  readonly content: ContentStore;
  readonly metadata: MetadataStore;
  readonly clock: Clock;
  /** Told what was changed in the index, for whoever remembers what it said. */
  readonly changed: (operations: readonly Operation[]) => void;
}

type ReadManifest = Manifest & { readonly content: ManifestContent };

/**
 * Makes an image known again whose manifests lie in the store. Of the blobs that lie there its repository owns those that they name, and no others; none is
 * hashed, which is done as it is first served. What is known of the tag by now stays. Throws LoadError where its manifest is not there.
 */
export async function rebuildImage(
  { repository, tag, digest: root, mediaType }: ListedTag,
  { content, metadata, clock, changed }: RebuildParts,
): Promise<void> {
  const getManifest = async (digest: Digest): Promise<ReadManifest | undefined> =>
    await storedManifest(repository, digest, digest === root ? mediaType : undefined, content);
  const tree = await readTree(root, {
    ...{ repository, platforms: [] },
    getManifest: async (wanted) => (isDigest(wanted) ? await getManifest(wanted) : undefined),
  });
  using _ = await ContentLease.take([...tree.blobs, ...tree.manifests], 'rebuild', { metadata, clock });
  let operations: Operation[] = [];
  const write = async (): Promise<void> => {
    if (operations.length > 0) await metadata.change(operations);
    changed(operations);
    operations = [];
  };
  const add = async (operation: Operation): Promise<void> => {
    operations.push(operation);
    if (operations.length >= maxOperations) await write();
  };
  for (const digest of tree.blobs)
    if ((await content.stat(digest)) !== undefined) await add(linkBlob(repository, digest));
  for (const digest of tree.manifests.toReversed()) {
    const manifest = await getManifest(digest);
    if (manifest === undefined) throw new LoadError(`its manifest ${digest} was lost meanwhile`);
    await add(putManifest(repository, recordOf(manifest, manifest.content)));
    if (digest !== root || (await metadata.getTag(repository, tag)) !== undefined) continue;
    await add(putTag(repository, { tag, descriptor: manifest.descriptor, checkedAt: longAgo }));
  }
  await write();
}

/** Undefined: it is not there, or not what its digest says. The media type of all but the root stands in its bytes. */
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
    throw new LoadError(`${digest}: it has ${error.message}`);
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
    if (error instanceof BlobUnreadableError) return undefined;
    throw error;
  }
}
