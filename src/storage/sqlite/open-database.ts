import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { StoreFullError } from '../blob-store.ts';
import { migrate } from './migrations.ts';
import { codeOf, isBusy, isFull } from './sqlite-errors.ts';

/** Enough for SQLite's shared memory, a log of some thousand pages and a checkpoint; bytes. */
const reserveBytes = 4 * 1024 * 1024;

/**
 * While the server runs SQLite itself waits for another process no longer than this, since the event loop stands meanwhile: it is for readers,
 * whom a log in WAL mode keeps waiting only while it is mended after a crash. Milliseconds.
 */
const lockWaitMs = 5;
/** From one try to open it to the next. Milliseconds. */
const pauseMs = 50;

/** Whether other processes of this machine may have the database open as well. */
export type Sharing = 'shared' | 'alone';

/**
 * Opens `index.sqlite`. In WAL mode SQLite cannot open a file without room on the disk, so some is kept in reserve and given
 * up when it is needed; when that has gone too, the file is opened for this process alone, which takes no room. `busyMs` is
 * how long to wait for another process, without holding up the event loop. Throws StoreFullError when there is no way, an error that names the file when it is
 * damaged or another process has it for itself.
 */
export async function openDatabase(
  directory: string,
  sharing: Sharing = 'shared',
  busyMs = 10_000,
): Promise<Database> {
  const path = join(directory, 'index.sqlite');
  const ways: readonly (() => Promise<Database>)[] = [
    async () => await openWithin(busyMs, path, sharing),
    async () => {
      await rm(join(directory, 'reserve'), { force: true });
      return await openWithin(busyMs, path, sharing);
    },
    async () => await openWithin(busyMs, path, 'alone'),
  ];
  let full: unknown;
  for (const tryIt of ways) {
    try {
      return await tryIt();
    } catch (error) {
      if (!isFull(error)) throw explained(error, path);
      full = error;
    }
  }
  throw new StoreFullError(`no room to open ${path}`, { cause: full });
}

/** Writes the reserve where it is missing and there is room. Never fails. */
export async function keepReserve(directory: string): Promise<void> {
  const path = join(directory, 'reserve');
  if (existsSync(path)) return;
  // Where what is abandoned is removed.
  const folder = join(directory, 'partial');
  const partial = join(folder, `reserve.${randomBytes(8).toString('hex')}`);
  try {
    await mkdir(folder).catch(() => undefined);
    {
      await using file = await open(partial, 'w', 0o644);
      // Bytes that no file system can store as a hole.
      await file.writeFile(Buffer.alloc(reserveBytes, 0xa5));
    }
    await rename(partial, path);
  } catch {
    await rm(partial, { force: true }).catch(() => {});
  }
}

/** Two that make it at the same time stand in each other's way for a moment; who has it for himself may be about to end. */
async function openWithin(busyMs: number, path: string, sharing: Sharing): Promise<Database> {
  const giveUpAt = performance.now() + busyMs;
  for (;;) {
    try {
      return tryOpen(path, sharing);
    } catch (error) {
      if (!isBusy(error) || performance.now() >= giveUpAt) throw error;
      await setTimeout(pauseMs);
    }
  }
}

function tryOpen(path: string, sharing: Sharing): Database {
  const database = new SqliteDatabase(path, { timeout: lockWaitMs });
  try {
    // Without a second process SQLite needs no shared memory, hence no file for it.
    if (sharing === 'alone') database.pragma('locking_mode = EXCLUSIVE');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    migrate(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** In words that name the file, where SQLite's own do not. */
function explained(error: unknown, path: string): unknown {
  const code = codeOf(error);
  if (isBusy(error)) {
    return new Error(`${path} is in use by another process that does not share it`, { cause: error });
  }
  if (/^SQLITE_(CANTOPEN|READONLY)/.test(code)) {
    return new Error(
      `${path} cannot be opened for writing (${code}): is it a file, and may its directory be written to?`,
      {
        cause: error,
      },
    );
  }
  if (/^SQLITE_IOERR/.test(code)) {
    return new Error(`${path} cannot be read or written (${code}): is it a file, and its disk well?`, {
      cause: error,
    });
  }
  if (!/^SQLITE_(CORRUPT|NOTADB)/.test(code)) return error;
  return new Error(
    `${path} is damaged (${code}). The blobs beside it are not: move the file away and start again; what it knew is asked for anew`,
    { cause: error },
  );
}
