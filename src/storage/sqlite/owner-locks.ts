import { randomBytes } from 'node:crypto';
import { renameSync, rmSync, statSync } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import type { OwnerLife, Owners } from '../owners.ts';
import { isBusy } from './sqlite-errors.ts';

/** A lock, and which file it is on. */
interface Held {
  readonly database: Database;
  readonly identity: string | undefined;
}

/**
 * Each process holds `owner.<id>`, an empty SQLite file, locked for as long as it lives: the system gives the lock up with the process,
 * also by kill -9. Nothing but SQLite may open such a file, for the system gives up all locks that a process has on a file when that
 * closes any descriptor of it, and SQLite alone knows of its own. Not for network file systems, whose locks may lie.
 */
export class OwnerLocks implements Owners {
  readonly mine = randomBytes(8).toString('hex');
  readonly #directory: string;
  #held: Held;

  /** Takes this process's lock in the directory. Throws where that cannot be. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#held = taken(this.#pathOf(this.mine));
  }

  async lifeOf(owner: string): Promise<OwnerLife> {
    if (owner === this.mine) return 'alive';
    const path = this.#pathOf(owner);
    return (await isFile(path)) ? lifeBy(path) : 'unknown';
  }

  async forget(owner: string): Promise<void> {
    const path = this.#pathOf(owner);
    try {
      if (owner === this.mine) rmSync(path, { force: true });
      else if (await isFile(path)) removeDead(path);
    } catch {
      // Whoever looks next tries it again.
    }
  }

  async renew(): Promise<void> {
    const path = this.#pathOf(this.mine);
    if (identityOf(path) === this.#held.identity) return;
    try {
      const lost = this.#held;
      this.#held = taken(path);
      lost.database.close();
    } catch {
      // The directory is away, or something else lies there: then nobody can tell, and takes over nothing.
    }
  }

  [Symbol.dispose](): void {
    this.#held.database.close();
  }

  #pathOf(owner: string): string {
    return join(this.#directory, `owner.${owner}`);
  }
}

/** Under another name first: whoever finds it by its own finds it locked. */
function taken(path: string): Held {
  const fresh = `${path}.new`;
  rmSync(fresh, { force: true });
  const database = locked(fresh);
  try {
    renameSync(fresh, path);
    return { database, identity: identityOf(path) };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Throws SQLite's BUSY where another has it. Takes no room, and makes no other file. */
function locked(path: string): Database {
  const database = new SqliteDatabase(path, { timeout: 0 });
  try {
    database.pragma('journal_mode = MEMORY');
    database.exec('BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** By a read, so that two who look at once do not take each other for the owner. */
function lifeBy(path: string): OwnerLife {
  try {
    const database = new SqliteDatabase(path, { readonly: true, fileMustExist: true, timeout: 0 });
    try {
      database.prepare('SELECT 1 FROM sqlite_schema').get();
      return 'dead';
    } finally {
      database.close();
    }
  } catch (error) {
    return isBusy(error) ? 'alive' : 'unknown';
  }
}

/** While it is locked, so that nobody takes it for his own meanwhile. Throws where it is not dead. */
function removeDead(path: string): void {
  const database = locked(path);
  rmSync(path, { force: true });
  database.close();
}

/** SQLite would wait for whoever writes to a pipe. */
async function isFile(path: string): Promise<boolean> {
  return await lstat(path).then(
    (status) => status.isFile(),
    () => false,
  );
}

function identityOf(path: string): string | undefined {
  const status = statSync(path, { throwIfNoEntry: false });
  return status === undefined ? undefined : `${status.dev} ${status.ino}`;
}
