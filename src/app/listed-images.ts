import { join } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { walk } from '../base/walk.ts';
import { imagePages } from '../storage/image-pages.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { ImageRecord, Miss } from '../storage/records.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { layoutVersion } from './store.ts';

/**
 * What a directory has, in pages, beside whoever serves from it; `weighs`: with what removing each would free. Throws an Error for what cannot be
 * read.
 */
export function cachedImages(imagePath: string, weighs = false): AsyncGenerator<readonly ImageRecord[]> {
  return listed(imagePath, (inventory) => imagePages(inventory, systemClock, { weighs }));
}

/** What clients asked for across an air gap and is not here. The same otherwise. */
export function wantedImages(imagePath: string): AsyncGenerator<readonly Miss[]> {
  return listed(imagePath, (inventory) =>
    walk(async (after: Miss | undefined, limit) => await inventory.misses({ after, limit }), systemClock),
  );
}

async function* listed<Item>(
  imagePath: string,
  pagesOf: (inventory: Inventory) => AsyncIterable<readonly Item[]>,
): AsyncGenerator<readonly Item[]> {
  using opened = await openInventory(join(imagePath, layoutVersion));
  if (opened !== undefined) yield* pagesOf(opened.inventory);
}
