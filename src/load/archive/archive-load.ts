import type { Platform } from '../../oci/platform.ts';
import { type Digest, type ImageName, isDigest } from '../../oci/reference.ts';
import type { Stamp } from '../../storage/stamp.ts';
import type { ImageInput } from '../image-input.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import type { LoadedImage } from '../load-images.ts';
import type { LoadProgress } from '../load-progress.ts';
import { Tally } from '../tally.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { folderEntries, tarEntries } from './archive-entries.ts';
import { type ArchivedImage, archivedImages } from './archived-images.ts';
import { type ImportParts, importImage } from './import-image.ts';
import { readArchive } from './read-archive.ts';

export interface ArchiveLoadParts extends ImportParts {
  /** Throws what is wrong with a name. */
  readonly named: (text: string) => ImageName;
  /** The name of the one image that it has, whatever it is called there. */
  readonly called?: string | undefined;
  readonly progress?: LoadProgress | undefined;
}

/**
 * Loads the images of a tar, or of an OCI layout that is a folder: read once, its bytes go into the store as they come. Tells of each image, and of what is wrong with
 * the archive under its own name.
 */
export async function loadArchive(
  file: ImageInput,
  platforms: readonly Platform[],
  parts: ArchiveLoadParts,
  signal: AbortSignal,
  ended: (image: LoadedImage) => void,
): Promise<void> {
  const tally = new Tally();
  using _running = parts.progress?.begin(file.name, tally);
  const failed = (problem: string): void => ended({ name: file.name, problem, tally: new Tally() });
  try {
    const entries =
      file.kind === 'layout'
        ? folderEntries(file.name)
        : tarEntries(file.name, { bytes: file.bytes, signal });
    const blobs = new ArchiveBlobs(parts, tally, signal);
    const archive = await readArchive(entries, blobs);
    for (const problem of archive.problems) failed(problem);
    const { images, problems } = await archivedImages(archive, parts.content, parts.called);
    for (const problem of problems) failed(problem);
    const stampOf = (digest: Digest): Stamp | undefined => blobs.stampOf(digest);
    // The first bears what reading the archive cost.
    for (const [at, image] of images.entries())
      ended(await imported(image, platforms, { ...parts, stampOf }, at === 0 ? tally : new Tally()));
  } catch (error) {
    failed(reasonOf(signal.aborted ? signal.reason : error));
  }
}

async function imported(
  image: ArchivedImage,
  platforms: readonly Platform[],
  parts: ArchiveLoadParts,
  tally: Tally,
): Promise<LoadedImage> {
  const { name } = image;
  try {
    const called = parts.named(name);
    if (isDigest(called.reference) && called.reference !== image.root)
      throw new LoadError(`it is ${image.root}, and not what its name says`);
    const { root, manifests, blobs } = await importImage(image, called, platforms, parts);
    tally.manifests += manifests.length;
    tally.blobs += blobs.length;
    return { name, digest: root, tally };
  } catch (error) {
    return { name, problem: reasonOf(error), tally };
  }
}
