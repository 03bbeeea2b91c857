import { existsSync } from 'node:fs';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { Inventory } from '../inventory.ts';
import { explained, fileName, olderName, refuseNewer, versionOf } from './open-database.ts';
import { schemaVersion } from './schema.ts';
import { SqliteInventory } from './sqlite-inventory.ts';

/** A reader waits only while the index is mended after a crash. Milliseconds. */
const lockWaitMs = 5000;

/**
 * What is there, for a reader beside whoever serves: nothing is written. Undefined: nothing was cached yet. Throws an Error that names what cannot
 * be read.
 */
export async function openInventory(
  directory: string,
): Promise<(Disposable & { readonly inventory: Inventory }) | undefined> {
  const path = join(directory, fileName);
  if (!existsSync(path)) {
    if (existsSync(join(directory, olderName)))
      throw new Error(
        `${directory} was written by an earlier version: start the server once, it takes that over`,
      );
    if (existsSync(directory)) await refuseNewer(directory);
    return undefined;
  }
  try {
    const database = new SqliteDatabase(path, { readonly: true, fileMustExist: true, timeout: lockWaitMs });
    return readable(database);
  } catch (error) {
    throw explained(error, path);
  }
}

function readable(database: Database): (Disposable & { readonly inventory: Inventory }) | undefined {
  const close = (): void => void database.close();
  try {
    if (versionOf(database) === schemaVersion)
      return { inventory: new SqliteInventory(database), [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
  close();
  return undefined;
}
