import type { Clock } from '../base/clock.ts';
import { imageText, type RepositoryName, type Tag } from '../oci/reference.ts';
import { imagePages } from '../storage/image-pages.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { ImageRecord } from '../storage/records.ts';

/** An image by one of its names. */
export interface NamedImage {
  /** `host/repository:tag`, or `host/repository@digest` where no tag leads to it. */
  readonly name: string;
  readonly image: ImageRecord;
  /** Undefined: nothing but its digest leads to it. */
  readonly tag: Tag | undefined;
}

/** Where images are, and time. */
export interface Shelf {
  readonly inventory: Inventory;
  readonly clock: Pick<Clock, 'monotonic'>;
}

/** Read in one go, and compared with patterns: some ten microseconds for each. */
const pageSize = 50;
/** Of a repository so many names are put in order; where it has more, so many at a time. */
const maxSorted = 1000;

/** All images with names that match, by repository and there by name. */
export async function* namedImages(
  shelf: Shelf,
  matches: (name: string) => boolean,
): AsyncGenerator<readonly NamedImage[]> {
  let names: NamedImage[] = [];
  for await (const page of imagesOf(shelf)) {
    for (const image of page) {
      const isOther = names[0] !== undefined && names[0].image.repository !== image.repository;
      if (isOther || names.length >= maxSorted) {
        yield inOrder(names);
        names = [];
      }
      names.push(...namesOf(image).filter(({ name }) => matches(name)));
    }
  }
  if (names.length > 0) yield inOrder(names);
}

/** Which images are meant. */
export interface Choice {
  /** By a name of theirs. */
  readonly matches: (name: string) => boolean;
  /** None of another repository matches. */
  readonly only?: RepositoryName | undefined;
}

/** All images, or those of one repository, page by page. */
export function imagesOf(
  { inventory, clock }: Shelf,
  only?: RepositoryName,
): AsyncGenerator<readonly ImageRecord[]> {
  return imagePages(inventory, clock, { only, limit: pageSize });
}

function namesOf(image: ImageRecord): NamedImage[] {
  const { repository, tags, descriptor } = image;
  if (tags.length === 0)
    return [{ name: imageText({ repository, reference: descriptor.digest }), image, tag: undefined }];
  return tags.map((tag) => ({ name: imageText({ repository, reference: tag }), image, tag }));
}

function inOrder(names: readonly NamedImage[]): readonly NamedImage[] {
  return names.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
