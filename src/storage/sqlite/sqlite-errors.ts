import SqliteDatabase from 'better-sqlite3';

/** SQLite's code; empty: it is no error of SQLite's. */
export function codeOf(error: unknown): string {
  return error instanceof SqliteDatabase.SqliteError ? error.code : '';
}

/** SQLite reports a full disk in many words, depending on what it was doing. */
export function isFull(error: unknown): boolean {
  const code = codeOf(error);
  return code === 'SQLITE_FULL' || /^SQLITE_IOERR_(WRITE|SHMSIZE|SHMOPEN|SHMMAP|TRUNCATE|FSYNC)$/.test(code);
}

/** Another process has it locked. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|PROTOCOL)/.test(codeOf(error));
}

/** What a row refers to is not there. */
export function isUnmet(error: unknown): boolean {
  return codeOf(error) === 'SQLITE_CONSTRAINT_FOREIGNKEY';
}

export function isDamage(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(error));
}

/** It can be read as no index: it is damaged, or has not our tables, though it says so. */
export function isNoIndex(error: unknown): boolean {
  return isDamage(error) || codeOf(error) === 'SQLITE_ERROR';
}

/** What lies in the place of an index can be read as none, by whomever. */
export class DamagedIndexError extends Error {
  override readonly name = 'DamagedIndexError';
  readonly path: string;

  constructor(path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.path = path;
  }
}

/** What to do about it, in words. */
export function damaged(path: string, cause: unknown): DamagedIndexError {
  const message = `${path} is damaged (${codeOf(cause)}). The blobs beside it are not: the next start of the server, or verify --rebuild, puts it aside and makes it anew from them`;
  return new DamagedIndexError(path, message, { cause });
}
