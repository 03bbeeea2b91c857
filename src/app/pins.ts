import { join } from 'node:path';
import { type PinnedTag, type PinOrder, pinImages } from '../admin/pin-images.ts';
import { systemClock } from '../base/clock.ts';
import { networkFileSystem } from '../storage/file/network-file-system.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { SqliteMetadataStore } from '../storage/sqlite/sqlite-metadata-store.ts';
import { layoutVersion } from './store.ts';

/** Pins or unpins what a directory has, in pages, beside whoever serves from it. Throws an Error for what cannot be read or changed. */
export async function* pinCached(imagePath: string, order: PinOrder): AsyncGenerator<readonly PinnedTag[]> {
  const directory = join(imagePath, layoutVersion);
  // Where there is no index none is made.
  const opened = await openInventory(directory);
  if (opened === undefined) return;
  opened[Symbol.dispose]();
  const isShared = (await networkFileSystem(directory)) === undefined;
  await using metadata = await SqliteMetadataStore.open(directory, {
    sharing: isShared ? 'shared' : 'alone',
  });
  yield* pinImages(order, { inventory: metadata.inventory, metadata, clock: systemClock });
}
