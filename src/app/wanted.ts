import { join } from 'node:path';
import type { MissCursor } from '../storage/inventory.ts';
import type { Miss } from '../storage/records.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { layoutVersion } from './store.ts';

const pageSize = 500;

/** What clients asked for across an air gap and is not here, in pages, beside whoever serves. Throws an Error for what cannot be read. */
export async function* wantedImages(imagePath: string): AsyncGenerator<readonly Miss[]> {
  using opened = await openInventory(join(imagePath, layoutVersion));
  if (opened === undefined) return;
  let page: readonly Miss[];
  let after: MissCursor | undefined;
  do {
    page = await opened.inventory.misses({ after, limit: pageSize });
    yield page;
    after = page.at(-1);
  } while (page.length === pageSize);
}
