import { imageText, type Tag } from '../oci/reference.ts';
import type { MetadataStore } from '../storage/metadata-store.ts';
import { type Operation, pinTag } from '../storage/operation.ts';
import type { ImageRecord } from '../storage/records.ts';
import { type Choice, imagesOf, type Shelf } from './named-images.ts';

export interface PinOrder extends Choice {
  /** Else they are unpinned. */
  readonly isPinned: boolean;
}

/** A tag that matches. */
export interface PinnedTag {
  readonly reference: string;
  readonly isPinned: boolean;
  /** Was it otherwise before? */
  readonly hasChanged: boolean;
}

/** So many are one change of the index. */
const sliceLength = 100;

/** Pins or unpins every cached tag that matches; page by page, those that are done. A digest that no tag leads to cannot be pinned. */
export async function* pinImages(
  { matches, only, isPinned }: PinOrder,
  shelf: Shelf & { readonly metadata: Pick<MetadataStore, 'change' | 'getTag'> },
): AsyncGenerator<readonly PinnedTag[]> {
  for await (const page of imagesOf(shelf, only)) {
    const found = page.flatMap((image) => tagsOf(image).filter(({ reference }) => matches(reference)));
    const changes = found.filter(({ wasPinned }) => wasPinned !== isPinned);
    const operations = changes.map(({ image, tag }): Operation => pinTag(image.repository, tag, isPinned));
    for (let at = 0; at < operations.length; at += sliceLength)
      await shelf.metadata.change(operations.slice(at, at + sliceLength));
    const pinned: PinnedTag[] = [];
    for (const { image, tag, reference, wasPinned } of found) {
      const hasChanged = wasPinned !== isPinned;
      // What was evicted before its pin was written has none; what has one is not evicted.
      if (hasChanged && (await shelf.metadata.getTag(image.repository, tag)) === undefined) continue;
      pinned.push({ reference, isPinned, hasChanged });
    }
    yield pinned;
  }
}

interface CachedTag {
  readonly image: ImageRecord;
  readonly tag: Tag;
  readonly reference: string;
  readonly wasPinned: boolean;
}

function tagsOf(image: ImageRecord): CachedTag[] {
  const { repository, tags, pinned } = image;
  return tags.map((tag) => ({
    ...{ image, tag, reference: imageText({ repository, reference: tag }), wasPinned: pinned.has(tag) },
  }));
}
