import { randomBytes } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { StoreFullError } from '../content-store.ts';
import { addMissing, standInForMissing } from './additions.ts';
import { OlderIndex } from './older-index.ts';
import { schema, schemaVersion } from './schema.ts';
import { codeOf, DamagedIndexError, damaged, isBusy, isFull, isNoIndex } from './sqlite-errors.ts';
import { type TakingOver, takeOver } from './taking-over.ts';

/** Enough for SQLite's shared memory, a log of some thousand pages and a checkpoint; bytes. */
const reserveBytes = 4 * 1024 * 1024;

/**
 * While the server runs SQLite itself waits for another process no longer than this, since the event loop stands meanwhile: it is for readers,
 * whom a log in WAL mode keeps waiting only while it is mended after a crash. Milliseconds.
 */
const lockWaitMs = 5;
/** From one try to open it to the next. Milliseconds. */
const pauseMs = 50;
/** The header alone; so much is there when a file is made. Bytes. */
const emptyBytes = 4096;
/** Of this version; one of schema 1 or 2 was `index.sqlite`. */
export const fileName = `index-${schemaVersion}.sqlite`;
export const olderName = 'index.sqlite';

/** Whether other processes of this machine may have the database open as well. */
export type Sharing = 'shared' | 'alone';

export interface Opening extends TakingOver {
  /** How long to wait for another process, without holding up the event loop. Milliseconds. */
  readonly busyMs?: number | undefined;
}

interface OpenIndex {
  readonly database: Database;
  readonly path: string;
  /** Is there no room for what the index has gained since an earlier program made it? It can be read, and no more. */
  readonly isFull: boolean;
}

/**
 * Opens the index of this version; where there is none it is made, from an older one if there is one (see {@link takeOver}). Throws
 * StoreFullError when there is no way for want of room, an error that names the file when it is damaged or another process has it for
 * itself, or that names what only a newer version can read.
 */
export async function openDatabase(
  directory: string,
  sharing: Sharing = 'shared',
  { busyMs = 10_000, ...takingOver }: Opening = {},
): Promise<OpenIndex> {
  const path = join(directory, fileName);
  const older = join(directory, olderName);
  for (const index of [path, older]) refuseWhatIsNoFile(index);
  // What they lie in the way of is lost: it was in them.
  for (const suffix of ['-wal', '-shm']) refuseWhatIsNoFile(path, suffix);
  if (!existsSync(older)) {
    if (!existsSync(path)) await refuseNewer(directory);
  } else if (!isMade(path)) await takeOver({ path, older, isAlone: sharing === 'alone' }, takingOver);
  try {
    const database = await openInAnyWay(directory, path, { sharing, busyMs, open: begin });
    return { database, path, isFull: false };
  } catch (error) {
    if (!(error instanceof StoreFullError) || !isMade(path)) throw error;
    const database = await openInAnyWay(directory, path, { sharing, busyMs, open: beginReading });
    return { database, path, isFull: true };
  }
}

/** The older index, to be read: undefined where there is none. Errors as {@link openDatabase}. */
export async function openOlder(directory: string, sharing: Sharing): Promise<OlderIndex | undefined> {
  const path = join(directory, olderName);
  if (!existsSync(path)) return undefined;
  const readOnly = (database: Database): void => void database.pragma('query_only = ON');
  return new OlderIndex(await openInAnyWay(directory, path, { sharing, busyMs: 0, open: readOnly }), path);
}

/** SQLite says no more than that it cannot open it, or waits for whoever writes to a pipe. `suffix`: of what belongs to it. */
function refuseWhatIsNoFile(path: string, suffix = ''): void {
  let isFile = true;
  try {
    isFile = statSync(`${path}${suffix}`).isFile();
  } catch {
    // There is none, or SQLite says what is wrong with it.
  }
  if (!isFile) throw new DamagedIndexError(path, `${path}${suffix} is no file`);
}

/** Is there no index, or one that is empty? Of an empty file SQLite makes a new one, whatever lies beside it. */
export function knowsNothing(directory: string): boolean {
  if (existsSync(join(directory, olderName))) return false;
  const path = join(directory, fileName);
  return sizeOf(path) === 0 || (!isMade(path) && sizeOf(`${path}-wal`) === 0);
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Is something in it? One that was made from an older one is whole when it gets its name. Not opened: closing it would end SQLite's locks. */
function isMade(path: string): boolean {
  return sizeOf(path) > emptyBytes;
}

interface Ways {
  readonly sharing: Sharing;
  readonly busyMs: number;
  /** Done in the open file before anybody has it. */
  readonly open: (database: Database) => void;
}

/**
 * In WAL mode SQLite cannot open a file without room on the disk, so some is kept in reserve and given up when it is needed; when that has
 * gone too, the file is opened for this process alone, which takes no room.
 */
async function openInAnyWay(
  directory: string,
  path: string,
  { sharing, busyMs, open: begins }: Ways,
): Promise<Database> {
  const ways: readonly (() => Promise<Database>)[] = [
    async () => await openWithin(busyMs, () => tryOpen(path, sharing, begins)),
    async () => {
      // Of something else in its place there is nothing to be had.
      await rm(join(directory, 'reserve'), { force: true }).catch(() => undefined);
      return await openWithin(busyMs, () => tryOpen(path, sharing, begins));
    },
    async () => await openWithin(busyMs, () => tryOpen(path, 'alone', begins)),
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
async function openWithin(busyMs: number, tryIt: () => Database): Promise<Database> {
  const begunAt = performance.now();
  for (;;) {
    try {
      return tryIt();
    } catch (error) {
      if (!isBusy(error) || performance.now() - begunAt >= busyMs) throw error;
      await setTimeout(pauseMs);
    }
  }
}

/** What was known to a newer version alone would be asked for anew, and its files would be nobody's. One of this version may have come meanwhile, by another process. */
export async function refuseNewer(directory: string): Promise<void> {
  const names = await readdir(directory);
  const newer = names.find((name) => /^index-\d+\.sqlite$/.test(name) && name !== fileName);
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
  addMissing(database);
  return database;
}

function tryOpen(path: string, sharing: Sharing, begins: (database: Database) => void): Database {
  const database = new SqliteDatabase(path, { timeout: lockWaitMs });
  try {
    // Without a second process SQLite needs no shared memory, hence no file for it.
    if (sharing === 'alone') database.pragma('locking_mode = EXCLUSIVE');
    // A container's root may be read-only: what SQLite would put into a temporary file (rows to sort, pages of a savepoint) is small.
    database.pragma('temp_store = MEMORY');
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('foreign_keys = ON');
    begins(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Makes the schema in a new file, and what it has gained since in any. Writes nothing where there is nothing to do: the disk may be full. */
function begin(database: Database): void {
  const make = (): void => {
    const version = versionOf(database);
    if (version === schemaVersion) return;
    if (version !== 0) {
      const message = `${database.name} is of schema ${version}, which is not what its name says: it is something else`;
      throw new DamagedIndexError(database.name, message);
    }
    database.exec(`${schema}; pragma user_version = ${schemaVersion}`);
  };
  if (versionOf(database) !== schemaVersion) database.transaction(make).immediate();
  try {
    addMissing(database);
  } catch (error) {
    // What it is added to is not there: it is no index, whatever its version says.
    throw codeOf(error) === 'SQLITE_ERROR' ? damaged(database.name, error) : error;
  }
}

/** The same without a byte more on the disk, to be read. What it was made from an older one of is whole. Throws what says that it has no room. */
function beginReading(database: Database): void {
  if (versionOf(database) !== schemaVersion || !standInForMissing(database))
    throw new StoreFullError(`no room to make what ${database.name} lacks`);
  database.pragma('query_only = ON');
}

export function versionOf(database: Database): number {
  return Number(database.pragma('user_version', { simple: true }));
}

/** In words that name the file, where SQLite's own do not. */
export function explained(error: unknown, path: string): unknown {
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
  return isNoIndex(error) ? damaged(path, error) : error;
}
