import { join } from 'node:path';
import { type PinnedTag, type PinOrder, pinImages } from '../admin/pin-images.ts';
import { systemClock } from '../base/clock.ts';
import { nodeFileSystem } from '../storage/file/file-system.ts';
import { networkFileSystem } from '../storage/file/network-file-system.ts';
import { StoreDirectories } from '../storage/file/store-directories.ts';
import { openInventory } from '../storage/sqlite/open-inventory.ts';
import { SqliteMetadataStore } from '../storage/sqlite/sqlite-metadata-store.ts';
import { nameList } from './name-list.ts';
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
  const directories = new StoreDirectories(nodeFileSystem, directory);
  await using names = nameList({
    ...{ directory, directories, metadata, clock: systemClock },
    // What is pinned is so all the same, and whoever opens the directory next writes the list.
    onError() {},
  });
  for await (const page of pinImages(order, {
    inventory: metadata.inventory,
    metadata,
    clock: systemClock,
  })) {
    if (page.some(({ hasChanged }) => hasChanged)) names.changed();
    yield page;
  }
}
