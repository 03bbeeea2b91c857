import { join } from 'node:path';
import type { ImageRecord } from '../storage/records.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { layoutVersion } from './store.ts';

/** In one go, so that a reader's memory stays small and no snapshot of the index is held for long. */
const pageSize = 200;

/**
 * What a directory has, in pages, beside whoever serves from it; `weighs`: with what removing each would free. Throws an Error for what cannot be
 * read.
 */
export async function* cachedImages(
  imagePath: string,
  weighs = false,
): AsyncGenerator<readonly ImageRecord[]> {
  using opened = await openInventory(join(imagePath, layoutVersion));
  if (opened === undefined) return;
  let page: readonly ImageRecord[];
  let after:
    | { repository: ImageRecord['repository']; digest: ImageRecord['descriptor']['digest'] }
    | undefined;
  do {
    page = await opened.inventory.images({ after, limit: pageSize, weighs });
    yield page;
    const last = page.at(-1);
    after = last && { repository: last.repository, digest: last.descriptor.digest };
  } while (page.length === pageSize);
}
