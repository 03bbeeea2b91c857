import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { StoreFullError } from '../content-store.ts';
import { migrate, TakenOverError } from './migrations.ts';
import { schema, schemaVersion } from './schema.ts';
import { codeOf, damaged, isBusy, isDamage, isFull } from './sqlite-errors.ts';

/** Enough for SQLite's shared memory, a log of some thousand pages and a checkpoint; bytes. */
const reserveBytes = 4 * 1024 * 1024;

/**
 * While the server runs SQLite itself waits for another process no longer than this, since the event loop stands meanwhile: it is for readers,
 * whom a log in WAL mode keeps waiting only while it is mended after a crash. Milliseconds.
 */
const lockWaitMs = 5;
/** So long another process may take over an older index: some hundred thousand images on a slow disk. Milliseconds. */
const takingOverMs = 3_600_000;
/** From one try to open it to the next. Milliseconds. */
const pauseMs = 50;
/** Of this version; one of schema 1 or 2 was `index.sqlite`. */
const fileName = `index-${schemaVersion}.sqlite`;
const olderName = 'index.sqlite';

/** Whether other processes of this machine may have the database open as well. */
export type Sharing = 'shared' | 'alone';

/**
 * Opens the index of this version, made from an older one if it is not there. In WAL mode SQLite cannot open a file without room on the disk, so some is kept in reserve and given
 * up when it is needed; when that has gone too, the file is opened for this process alone, which takes no room. `busyMs` is
 * how long to wait for another process, without holding up the event loop. Throws StoreFullError when there is no way, an error that names the file when it is
 * damaged or another process has it for itself, or that names what only a newer version can read. `takesOver` is told before an older
 * index is taken over, which holds up the process: about half a minute for a hundred thousand images.
 */
export async function openDatabase(
  directory: string,
  sharing: Sharing = 'shared',
  { busyMs = 10_000, takesOver }: { busyMs?: number; takesOver?: (() => void) | undefined } = {},
): Promise<{ readonly database: Database; readonly path: string }> {
  const path = join(directory, fileName);
  const older = existsSync(join(directory, olderName)) ? join(directory, olderName) : undefined;
  if (!existsSync(path)) {
    if (older === undefined) await refuseNewer(directory);
    else takesOver?.();
  }
  const ways: readonly (() => Promise<Database>)[] = [
    async () => await openWithin(busyMs, () => tryOpen(path, older, sharing)),
    async () => {
      await rm(join(directory, 'reserve'), { force: true });
      return await openWithin(busyMs, () => tryOpen(path, older, sharing));
    },
    async () => await openWithin(busyMs, () => tryOpen(path, older, 'alone')),
  ];
  let full: unknown;
  for (const tryIt of ways) {
    try {
      return { database: await tryIt(), path };
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

/**
 * Two that make it at the same time stand in each other's way for a moment, or as long as one takes over what an older version knew; who has it
 * for himself may be about to end.
 */
async function openWithin(busyMs: number, tryIt: () => Database): Promise<Database> {
  const begunAt = performance.now();
  for (;;) {
    try {
      return tryIt();
    } catch (error) {
      const isTakenOver = error instanceof TakenOverError;
      const waited = performance.now() - begunAt;
      if (!isTakenOver && !isBusy(error)) throw error;
      if (waited >= (isTakenOver ? takingOverMs : busyMs)) throw isTakenOver ? error.cause : error;
      await setTimeout(pauseMs);
    }
  }
}

/** What was known to a newer version alone would be asked for anew, and its files would be nobody's. */
async function refuseNewer(directory: string): Promise<void> {
  const newer = (await readdir(directory)).find((name) => /^index-\d+\.sqlite$/.test(name));
  if (newer === undefined) return;
  throw new Error(
    `${directory} was written by a newer ociregistry (${newer}), and this one reads ${fileName}: start the newer one, or give this one a directory of its own`,
  );
}

/** An index of this process alone, gone with it. */
export function openInMemory(): Database {
  const database = new SqliteDatabase(':memory:');
  database.pragma('foreign_keys = ON');
  database.exec(schema);
  return database;
}

function tryOpen(path: string, older: string | undefined, sharing: Sharing): Database {
  const database = new SqliteDatabase(path, { timeout: lockWaitMs });
  try {
    // Without a second process SQLite needs no shared memory, hence no file for it.
    if (sharing === 'alone') database.pragma('locking_mode = EXCLUSIVE');
    // A container's root may be read-only: what SQLite would put into a temporary file (rows to sort, pages of a savepoint) is small.
    database.pragma('temp_store = MEMORY');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    migrate(database, older);
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
  return isDamage(error) ? damaged(path, error) : error;
}
