import { existsSync, writeFileSync } from 'node:fs';
import type { Database, Statement } from 'better-sqlite3';
import { isDamage } from './sqlite-errors.ts';

type Calls = Record<'get' | 'all' | 'run', (...values: unknown[]) => unknown>;

/** Who is told that the file of a database is damaged. */
const listeners = new WeakMap<Database, () => void>();

/** SQLite opens a file that is damaged in the middle, and says so when it comes there: `found` is called whenever it does. */
export function watchDamage(database: Database, found: () => void): void {
  listeners.set(database, found);
}

/** Tells of an error that says so. */
export function tellDamage(database: Database, error: unknown): void {
  if (isDamage(error)) listeners.get(database)?.();
}

/** The same statement, which tells of its errors. */
export function watched<Parameters extends unknown[], Row>(
  database: Database,
  statement: Statement<Parameters, Row>,
): Statement<Parameters, Row> {
  const prototype = Object.getPrototypeOf(statement) as Calls;
  const telling =
    (name: keyof Calls) =>
    (...values: unknown[]): unknown => {
      try {
        return prototype[name].apply(statement, values);
      } catch (error) {
        tellDamage(database, error);
        throw error;
      }
    };
  return Object.assign(statement, { get: telling('get'), all: telling('all'), run: telling('run') });
}

/** What is read for clients: where the file is damaged it is a miss, as a blob is that cannot be read. */
export function orMiss<Parameters extends unknown[], Row>(
  statement: Statement<Parameters, Row>,
): Statement<Parameters, Row> {
  const { get, all } = statement as unknown as Calls;
  const or =
    (read: Calls['get'], miss: () => unknown) =>
    (...values: unknown[]): unknown => {
      try {
        return read(...values);
      } catch (error) {
        if (!isDamage(error)) throw error;
        return miss();
      }
    };
  return Object.assign(statement, { get: or(get, () => undefined), all: or(all, () => []) });
}

/** What lies beside an index that was found damaged, until it is put aside. */
export const damageSuffix = '.damaged';

export function isMarkedDamaged(path: string): boolean {
  return existsSync(`${path}${damageSuffix}`);
}

/** For the next start. Never throws: it will be found again. */
export function markDamaged(path: string): void {
  try {
    writeFileSync(`${path}${damageSuffix}`, '');
  } catch {
    // No room, or no right.
  }
}
