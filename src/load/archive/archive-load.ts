import type { Platform } from '../../oci/platform.ts';
import { type Digest, type ImageName, isDigest } from '../../oci/reference.ts';
import type { ImageInput } from '../image-input.ts';
import { LoadError, reasonOf } from '../load-error.ts';
import type { LoadedImage } from '../load-images.ts';
import type { LoadProgress } from '../load-progress.ts';
import { Tally } from '../tally.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { folderEntries, tarEntries } from './archive-entries.ts';
import { type ArchivedImage, archivedImages } from './archived-images.ts';
import { type BroughtContent, type ImportParts, importImage } from './import-image.ts';
import { type ReadArchive, readArchive } from './read-archive.ts';

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
    const archive = await readArchive(entries, new ArchiveBlobs(parts, tally, signal));
    for (const problem of archive.problems) failed(problem);
    const { images, problems } = await archivedImages(archive, parts.content, parts.called);
    for (const problem of problems) failed(problem);
    const source = contentOf(archive);
    // The first bears what reading the archive cost.
    for (const [at, image] of images.entries())
      ended(await imported(image, platforms, source, parts, at === 0 ? tally : new Tally()));
  } catch (error) {
    failed(reasonOf(signal.aborted ? signal.reason : error));
  }
}

/** What an archive has brought. */
function contentOf({ blobs }: Pick<ReadArchive, 'blobs'>): BroughtContent {
  const brought = new Map(blobs.values().map((blob) => [blob.digest, blob]));
  return { bring: async (digest) => brought.get(digest) };
}

/** Makes one image known, and says what became of it. */
export async function imported(
  image: ArchivedImage,
  platforms: readonly Platform[],
  source: BroughtContent,
  parts: ArchiveLoadParts,
  tally: Tally,
): Promise<LoadedImage> {
  const { name } = image;
  try {
    const called = parts.named(name);
    if (isDigest(called.reference) && called.reference !== image.root)
      throw new LoadError(`it is ${image.root}, and not what its name says`);
    const { root, manifests, blobs, lost } = await importImage(image, called, platforms, source, parts);
    tally.manifests += manifests;
    tally.blobs += blobs;
    return { name, digest: root, tally, problem: withoutSome(lost) };
  } catch (error) {
    return { name, problem: reasonOf(error), tally };
  }
}

function withoutSome(lost: ReadonlyMap<Digest, string>): string | undefined {
  const [first] = lost;
  if (first === undefined) return undefined;
  const more = lost.size === 1 ? '' : `, and ${lost.size - 1} more`;
  return `all but a part of it is loaded: ${first[0]}: ${first[1]}${more}`;
}
