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

/** It is no database, a broken one, or no file. */
export function isDamaged(error: unknown): boolean {
  return /^SQLITE_(CORRUPT|NOTADB|CANTOPEN)/.test(codeOf(error));
}
