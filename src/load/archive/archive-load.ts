import type { Platform } from '../../oci/platform.ts';
import { type Digest, type ImageName, isDigest } from '../../oci/reference.ts';
import type { ImageInput } from '../image-input.ts';
import { LackedContentError, LoadError, PassingLoadError, reasonOf } from '../load-error.ts';
import type { LoadedImage } from '../load-images.ts';
import type { LoadProgress } from '../load-progress.ts';
import { Tally } from '../tally.ts';
import { ArchiveBlobs } from './archive-blobs.ts';
import { folderEntries, tarEntries } from './archive-entries.ts';
import { ArchiveFaults } from './archive-faults.ts';
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
 * Loads the images of a tar, or of an OCI layout that is a folder: read once, its bytes go into the store as they come. Tells of each image, and in the end of what is
 * wrong with the archive under its own name.
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
  const faults = new ArchiveFaults();
  try {
    const entries =
      file.kind === 'layout'
        ? folderEntries(file.name)
        : tarEntries(file.name, { bytes: file.bytes, signal });
    using store = new ArchiveBlobs(parts, tally, signal);
    const archive = await readArchive(entries, store);
    signal.throwIfAborted();
    addFaults(archive, file.name, faults);
    const images = await imagesOf(archive, file.name, faults, parts);
    const source = contentOf(archive);
    // The first bears what reading the archive cost.
    for (const [at, image] of images.entries()) {
      const result = await imported(image, platforms, source, parts, at === 0 ? tally : new Tally());
      if (!faults.cost(result, file.name)) ended(result);
    }
  } catch (error) {
    faults.add(file.name, reasonOf(signal.aborted ? signal.reason : error));
  }
  for (const fault of faults.told()) ended(fault);
}

/** What is wrong with an archive as it was read. */
export function addFaults({ problems, brokenOff }: ReadArchive, name: string, faults: ArchiveFaults): void {
  for (const { problem, digest } of problems) faults.add(name, problem, digest);
  if (brokenOff !== undefined) faults.addRest(name, brokenOff);
}

/** What an archive names. That it names nothing is a fault where nothing else is one. */
export async function imagesOf(
  archive: ReadArchive,
  name: string,
  faults: ArchiveFaults,
  { content, called }: Pick<ArchiveLoadParts, 'content' | 'called'>,
): Promise<readonly ArchivedImage[]> {
  try {
    const { images, problems } = await archivedImages(archive, content, called);
    for (const { name: image, problem } of problems)
      if (archive.brokenOff === undefined) faults.add(name, `${image}: ${problem}`);
      else faults.costRest(name, image);
    return images;
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    if (faults.isEmpty) faults.add(name, error.message);
    return [];
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
    const called = nameOf(name, parts);
    if (isDigest(called.reference) && called.reference !== image.root)
      throw new LoadError(`it is ${image.root}, and not what its name says`);
    const { root, manifests, blobs, lost, absent } = await importImage(
      image,
      called,
      platforms,
      source,
      parts,
    );
    tally.manifests += manifests;
    tally.blobs += blobs;
    return { name, digest: root, tally, problem: withoutSome(lost), ...blame([...lost.values()], absent) };
  } catch (error) {
    return { name, problem: reasonOf(error), tally, ...blame([error], []) };
  }
}

function nameOf(text: string, { named }: Pick<ArchiveLoadParts, 'named'>): ImageName {
  try {
    return named(text);
  } catch (error) {
    throw new LoadError(reasonOf(error));
  }
}

/** Whose fault it is that it is not whole. `absent`: what an index may name without having it. */
function blame(
  errors: readonly unknown[],
  absent: readonly Digest[],
): Pick<LoadedImage, 'isRefused' | 'lacks'> {
  const isRefused =
    errors.length > 0 &&
    errors.every((error) => error instanceof LoadError && !(error instanceof PassingLoadError));
  const lacked = errors.filter((error) => error instanceof LackedContentError);
  const lacks = [...lacked.map(({ digest }) => digest), ...absent];
  return { isRefused, lacks: lacked.length === errors.length ? lacks : [] };
}

function withoutSome(lost: ReadonlyMap<Digest, LoadError>): string | undefined {
  const [first] = lost;
  if (first === undefined) return undefined;
  const more = lost.size === 1 ? '' : `, and ${lost.size - 1} more`;
  return `all but a part of it is loaded: ${first[0]}: ${first[1].message}${more}`;
}
