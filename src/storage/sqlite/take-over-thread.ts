import {
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import SqliteDatabase, { type Database } from 'better-sqlite3';
import { codeOf, damaged, isBusy, isDamage, isFull } from './sqlite-errors.ts';
import { identityOf, type Progress, takeOver } from './take-over.ts';

/** What the thread is to do. */
export interface Order {
  /** Where the index of this version is when it is whole. */
  readonly path: string;
  readonly older: string;
  /** No other process of this machine may have them open. */
  readonly isAlone: boolean;
}

/** What it tells. After `isOver` or `failed` nothing more. */
export type Report =
  | { readonly progress: Progress }
  /** Another server takes it over; or an older one has the older index for itself. */
  | { readonly waitsFor: 'another' | 'older' }
  | { readonly isOver: true }
  | { readonly failed: 'room' | 'damage' | 'other'; readonly message: string };

/** Pages that are held in memory: rows come at random places of one of the tables. KiB. */
const cacheKiB = 32 * 1024;
/** From one look at what somebody else has to the next. Milliseconds. */
const pauseMs = 100;
/** Pages of the log that are brought into the file at a time: the same ones are written again and again. */
const logPages = 16 * 1024;
/** The log is no longer than that and one part, nor than what it is brought into. Bytes. */
const roomForLog = 96 * 1024 * 1024;
const roomAtLeast = 1024 * 1024;

/** Found out before it is tried. */
class NoRoom extends Error {}

/** The program of the thread that takes over an older index: whatever waits for a disk or for another process here holds up nobody. */
function run(order: Order): void {
  const path = `${order.path}.lock`;
  using lock = new DisposableStack();
  untilFree('another', () => lock.adopt(locked(path), (it) => void it.close()));
  if (!isMade(order.path)) makeFrom(order);
  rmSync(path, { force: true });
}

/** By nothing that is in the file, and by no process that has ended. */
function locked(path: string): Database {
  const lock = new SqliteDatabase(path, { timeout: 0 });
  try {
    lock.exec('begin exclusive');
    return lock;
  } catch (error) {
    lock.close();
    // Who had it has removed it, for it was over.
    if (!isBusy(error) && !existsSync(path)) return locked(path);
    throw error;
  }
}

/** A file without anything in it was left by a version that was ended while it took over the older index. */
function isMade(path: string): boolean {
  if (!existsSync(path)) return false;
  using mine = new DisposableStack();
  const database = mine.adopt(new SqliteDatabase(path), (it) => void it.close());
  return database.pragma('user_version', { simple: true }) !== 0;
}

function makeFrom(order: Order): void {
  const partial = `${order.path}.partial`;
  try {
    needRoom(order, partial);
    if (!fill(order, partial)) {
      remove(partial);
      fill(order, partial);
    }
  } catch (error) {
    remove(partial);
    throw error;
  }
  remove(order.path);
  renameSync(partial, order.path);
  syncDirectory(dirname(order.path));
}

/** False: it was begun from another file. */
function fill({ older, isAlone }: Order, partial: string): boolean {
  using mine = new DisposableStack();
  const database = mine.adopt(new SqliteDatabase(partial, { timeout: 0 }), (it) => void it.close());
  database.pragma('main.locking_mode = EXCLUSIVE');
  database.pragma('temp_store = MEMORY');
  database.pragma('journal_mode = WAL');
  database.pragma('synchronous = NORMAL');
  database.pragma(`cache_size = ${-cacheKiB}`);
  database.pragma(`wal_autocheckpoint = ${logPages}`);
  const identity = identityOf(older);
  untilFree('older', () => database.prepare('attach ? as older').run(older));
  if (isAlone) database.pragma('older.locking_mode = EXCLUSIVE');
  // All has to be counted first.
  report({ progress: { done: 0, total: 0 } });
  const parts = takeOver(database, identity);
  for (;;) {
    const { done, value } = parts.next();
    if (done) return value;
    report({ progress: value });
  }
}

function untilFree(waitsFor: 'another' | 'older', take: () => void): void {
  for (;;) {
    try {
      take();
      return;
    } catch (error) {
      if (!isBusy(error)) throw error;
      report({ waitsFor });
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pauseMs);
    }
  }
}

/** Looked for before, for a disk that is full is everybody's. */
function needRoom(order: Order, partial: string): void {
  const { needed, free } = roomFor(order, partial);
  if (free < needed) throw new NoRoom();
}

function roomFor(
  { path, older }: Order,
  partial: string,
): { readonly needed: number; readonly free: number } {
  const { bavail, bsize } = statfsSync(dirname(path));
  const here = statSync(partial, { throwIfNoEntry: false })?.size ?? 0;
  // What it becomes is about half as large, or as large where it has long annotations.
  const { size } = statSync(older);
  const needed = size + Math.min(size, roomForLog) + roomAtLeast - here;
  return { needed: Math.max(0, needed), free: bavail * bsize };
}

function whatIsMissing(order: Order, partial: string): string {
  const { needed, free } = roomFor(order, partial);
  return `no room to take over ${order.older}: about ${needed} bytes are needed in ${dirname(order.path)}, ${free} are free`;
}

function remove(path: string): void {
  for (const suffix of ['', '-wal', '-shm', '-journal']) rmSync(`${path}${suffix}`, { force: true });
}

function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function report(what: Report): void {
  parentPort?.postMessage(what);
}

function failureOf(error: unknown, order: Order): Report {
  const { older } = order;
  if (error instanceof NoRoom || isFull(error))
    return { failed: 'room', message: whatIsMissing(order, `${order.path}.partial`) };
  // Not the file that is just being made.
  const told = isDamage(error) ? damaged(older, error) : error;
  const code = codeOf(error);
  const message = told instanceof Error ? told.message : String(told);
  return {
    failed: isDamage(error) ? 'damage' : 'other',
    message: isDamage(error) || code === '' ? message : `${older}: ${message} (${code})`,
  };
}

const order = workerData as Order;
try {
  run(order);
  report({ isOver: true });
} catch (error) {
  report(failureOf(error, order));
}
