import type { Clock } from '../base/clock.ts';
import { type Digest, type ImageName, isDigest } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ImageTree } from './image-tree.ts';
import { LoadError } from './load-error.ts';

/** A manifest is served a moment before it is stored, and this one may wait for the disk, or for another process. Milliseconds. */
const patienceMs = 60_000;
const pauseMs = 20;
const maxPauseMs = 1000;

export interface StoredImageParts {
  readonly metadata: MetadataStore;
  readonly clock: Clock;
}

/** Settles when the index knows all of the image, so that it is served after the end of the process. Throws LoadError where it does not in time. */
export async function untilStored(
  image: ImageName,
  tree: ImageTree,
  { metadata, clock }: StoredImageParts,
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = clock.monotonic() + patienceMs;
  for (let pause = pauseMs; ; pause = Math.min(maxPauseMs, 2 * pause)) {
    const missing = await missingOf(image, tree, metadata);
    if (missing === undefined) return;
    if (clock.monotonic() >= giveUpAt)
      throw new LoadError(`${missing} was fetched and could not be stored: is there room on the disk?`);
    await clock.sleep(pause, signal);
  }
}

/** The first thing that is not stored, in words. */
async function missingOf(
  { repository, reference }: ImageName,
  { root, manifests }: ImageTree,
  metadata: MetadataStore,
): Promise<string | undefined> {
  for (const digest of manifests) {
    if ((await metadata.getManifest(repository, digest)) === undefined) return `the manifest ${digest}`;
    const [blob] = await missingBlobs(digest);
    if (blob !== undefined) return `the blob ${blob.digest}`;
  }
  if (isDigest(reference)) return undefined;
  const tag = await metadata.getTag(repository, reference);
  return tag?.descriptor.digest === root ? undefined : `the tag ${reference}`;

  async function missingBlobs(digest: Digest) {
    return (await metadata.listMissingBlobs(repository, digest, 1)) ?? [];
  }
}
