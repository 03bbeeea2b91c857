import type { Clock } from '../base/clock.ts';
import { shownName } from '../oci/reference.ts';
import { imagePages } from '../storage/image-pages.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import type { ImageRecord } from '../storage/records.ts';

/** Which images a bundle has. */
export interface Selection {
  /** By its name, as people say it: `host/repository:tag`, or `host/repository@digest`; of what lives here without a host. */
  readonly matches: (name: string) => boolean;
  /** Does it name digests of their own, also those that a tag or an index leads to? */
  readonly isExact: boolean;
  /** Milliseconds since the epoch; undefined: whenever. */
  readonly usedSince: number | undefined;
}

/** An image with the names by which it is wanted. */
export interface NamedImage {
  readonly image: ImageRecord;
  readonly names: readonly string[];
}

interface Shelf {
  readonly inventory: Inventory;
  readonly metadata: MetadataStore;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** The images that are selected, page by page, with their names: all tags, or the digest where nothing else leads to it. */
export async function* selectedImages(
  { inventory, metadata, clock }: Shelf,
  selection: Selection,
): AsyncGenerator<NamedImage> {
  for await (const page of imagePages(inventory, clock))
    for (const image of page) {
      if (selection.usedSince !== undefined && image.usedAt < selection.usedSince) continue;
      const names = await namesOf(image, metadata, selection);
      if (names.length > 0) yield { image, names };
    }
}

async function namesOf(
  image: ImageRecord,
  metadata: MetadataStore,
  { matches, isExact }: Selection,
): Promise<string[]> {
  const { repository, descriptor, tags } = image;
  const isMeant = (rest: string): boolean => matches(`${shownName(repository)}${rest}`);
  const names = tags
    .map((tag) => `:${tag}`)
    .filter(isMeant)
    .map((tag) => `${repository}${tag}`);
  const byDigest = `${repository}@${descriptor.digest}`;
  if (!isMeant(`@${descriptor.digest}`) || (tags.length > 0 && !isExact)) return names;
  const isRoot = isExact || (await metadata.listManifestsOf(repository, descriptor.digest, 1)).length === 0;
  return isRoot ? [...names, byDigest] : names;
}
