import type { Clock } from '../base/clock.ts';
import { walk } from '../base/walk.ts';
import type { Inventory } from './inventory.ts';
import type { ImageRecord } from './records.ts';

interface Wanted extends Omit<Parameters<Inventory['images']>[0], 'after' | 'limit'> {
  /** In one go. Default: some hundred. */
  readonly limit?: number | undefined;
}

/** All images of an inventory, page by page, as {@link walk} has it; what is wanted of them as {@link Inventory.images} has it. */
export function imagePages(
  inventory: Pick<Inventory, 'images'>,
  clock: Pick<Clock, 'monotonic'>,
  { limit, ...wanted }: Wanted = {},
): AsyncGenerator<readonly ImageRecord[]> {
  const read = async (last: ImageRecord | undefined, count: number): Promise<readonly ImageRecord[]> => {
    const after = last && { repository: last.repository, digest: last.descriptor.digest };
    return await inventory.images({ ...wanted, after, limit: count });
  };
  return walk(read, clock, limit);
}
