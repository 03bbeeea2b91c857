import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { fileName } from '#src/storage/sqlite/open-database.ts';
import type { IndexLog } from './index-log.ts';

/** After so many writes the log is brought into the file, long before the store would have that done by a thread, in a time of its own. */
const writesACopy = 24;

/**
 * Where the file of the index lies: in one place as long as a process has it open, and then in another, where what was written before is
 * written again.
 */
export class IndexDirectory {
  #path: string | undefined;
  #copying: Database | undefined;
  #users = 0;
  #writes = 0;

  constructor(log: IndexLog) {
    log.onWrite = () => this.#written();
  }

  /** `isNew`: nothing is in it. */
  async enter(): Promise<{ readonly path: string; readonly isNew: boolean }> {
    this.#users += 1;
    const isNew = this.#path === undefined;
    this.#path ??= await mkdtemp(join(tmpdir(), 'simulation-'));
    return { path: this.#path, isNew };
  }

  /** Whoever has entered has closed the file. */
  async leave(): Promise<void> {
    this.#users -= 1;
    if (this.#users > 0 || this.#path === undefined) return;
    this.#copying?.close();
    this.#copying = undefined;
    await rm(this.#path, { recursive: true });
    this.#path = undefined;
  }

  #written(): void {
    this.#writes += 1;
    if (this.#path === undefined || this.#writes % writesACopy !== 0) return;
    this.#copying ??= copying(join(this.#path, fileName));
    this.#copying.pragma('wal_checkpoint(TRUNCATE)');
  }
}

/** Nothing of it has to survive this machine. */
function copying(path: string): Database {
  const database = new SqliteDatabase(path, { timeout: 0 });
  database.pragma('synchronous = OFF');
  return database;
}
