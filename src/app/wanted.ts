import { join } from 'node:path';
import { walk } from '../admin/walk.ts';
import { systemClock } from '../base/clock.ts';
import type { Miss } from '../storage/records.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { layoutVersion } from './store.ts';

const pageSize = 500;

/** What clients asked for across an air gap and is not here, in pages, beside whoever serves. Throws an Error for what cannot be read. */
export async function* wantedImages(imagePath: string): AsyncGenerator<readonly Miss[]> {
  using opened = await openInventory(join(imagePath, layoutVersion));
  if (opened === undefined) return;
  const { inventory } = opened;
  yield* walk<Miss>(async (after, limit) => await inventory.misses({ after, limit }), pageSize, systemClock);
}
