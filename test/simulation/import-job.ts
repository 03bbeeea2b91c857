import { imageNamed } from '#src/app/image-name.ts';
import { type BundleList, listName, readList } from '#src/bundle/bundle-list.ts';
import { EarlierContent } from '#src/bundle/earlier-content.ts';
import { ArchiveBlobs } from '#src/load/archive/archive-blobs.ts';
import type { ArchiveEntry } from '#src/load/archive/archive-entries.ts';
import { imported } from '#src/load/archive/archive-load.ts';
import { type ArchivedImage, archivedImages } from '#src/load/archive/archived-images.ts';
import type { BroughtBlob } from '#src/load/archive/import-image.ts';
import { readArchive } from '#src/load/archive/read-archive.ts';
import { LoadError } from '#src/load/load-error.ts';
import type { LoadedImage } from '#src/load/load-images.ts';
import { Tally } from '#src/load/tally.ts';
import { dockerHub } from '#src/oci/docker-hub.ts';
import type { Digest } from '#src/oci/reference.ts';
import type { JobParts } from './job-parts.ts';
import type { MemoryBundle } from './memory-bundle.ts';

const names = { aliases: new Map(), defaultNs: dockerHub };

interface ImportJob {
  readonly bundles: readonly MemoryBundle[];
  /** The last of them is torn there: see {@link MemoryBundle.entries}. */
  readonly cutAt: number | undefined;
  /** Told of each image as it ends. */
  readonly ended: (image: LoadedImage) => void;
}

/** Imports what some bundles have together, as `src/bundle/import-tars.ts` does it. */
export async function importBundles({ bundles, cutAt, ended }: ImportJob, parts: JobParts): Promise<void> {
  using announced = new DisposableStack();
  const brought = new Map<Digest, BroughtBlob>();
  const images: ArchivedImage[] = [];
  const lists: BundleList[] = [];
  for (const [at, bundle] of bundles.entries()) {
    const isLast = at === bundles.length - 1;
    const entries = reading(bundle.entries(isLast ? cutAt : undefined), lists);
    const blobs = announced.use(new ArchiveBlobs(parts, new Tally(), parts.signal));
    const archive = await readArchive(entries, blobs);
    for (const { digest, size, stamp } of archive.blobs.values()) brought.set(digest, { size, stamp });
    if (archive.layout.length > 0) images.push(...(await archivedImages(archive, parts.content)).images);
  }
  const own = { bring: async (digest: Digest) => brought.get(digest) };
  const source = new EarlierContent(own, lists, { content: parts.content, proved: new Map() });
  const named = (text: string) => imageNamed(text, names);
  for (const image of images) ended(await imported(image, [], source, { ...parts, named }, new Tally()));
}

/** What is torn ends where it is. */
async function* reading(
  entries: AsyncIterable<ArchiveEntry>,
  lists: BundleList[],
): AsyncGenerator<ArchiveEntry> {
  try {
    for await (const entry of entries) {
      if (entry.path === listName) lists.push(await readList(entry.body, listName));
      else yield entry;
    }
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
  }
}
