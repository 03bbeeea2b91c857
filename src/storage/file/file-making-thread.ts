import { closeSync, fdatasync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { parentPort } from 'node:worker_threads';
import type { Made, Order, OrderedFile } from './file-maker.ts';

interface OpenFile extends OrderedFile {
  readonly at: number;
  readonly file: number;
  isSynced: boolean;
}

const datasync = promisify(fdatasync);

// The program of the thread of FileMaker. Calls are synchronous, for nobody else is here to be held up: a call of libuv's costs as much as
// what it does. Syncs are not, since several at a time cost the disk one.
parentPort?.on('message', (order: Order) => void obey(order));

async function obey({ id, bytes, files, syncs }: Order): Promise<void> {
  const open = opened(files, bytes);
  // Written, they are garbage, of which V8 lets some ten megabytes wait.
  bytes.buffer.transfer(0);
  await inParallel(open, syncs, async (each) => {
    each.isSynced = await datasync(each.file).then(
      () => true,
      () => false,
    );
  });
  const named = open.filter(isNamed);
  const synced = syncedDirectories(named);
  const made = named.filter(({ to }) => synced.has(dirname(to))).map(({ at }) => at);
  parentPort?.postMessage({ id, made } satisfies Made);
}

function opened(files: readonly OrderedFile[], bytes: Uint8Array): OpenFile[] {
  let end = 0;
  return files.flatMap((ordered, at) => {
    const its = bytes.subarray(end, ordered.end);
    end = ordered.end;
    const file = written(ordered.from, its);
    return file === undefined ? [] : [{ ...ordered, at, file, isSynced: false }];
  });
}

/** Undefined: nothing is left of it. */
function written(path: string, bytes: Uint8Array): number | undefined {
  let file: number | undefined;
  try {
    file = openSync(path, 'wx', 0o644);
    for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
    return file;
  } catch {
    if (file === undefined) return undefined;
    close(file);
    remove(path);
    return undefined;
  }
}

/** Closes it, and gives it its name, if it was synced. */
function isNamed({ file, from, to, isSynced }: OpenFile): boolean {
  try {
    close(file);
    if (isSynced) renameSync(from, to);
    else remove(from);
    return isSynced;
  } catch {
    remove(from);
    return false;
  }
}

/** Those that were, and those that somebody has removed meanwhile, which have nothing left to lose. */
function syncedDirectories(files: readonly OpenFile[]): ReadonlySet<string> {
  const paths = new Set(files.map(({ to }) => dirname(to)));
  return new Set([...paths].filter(isSyncedDirectory));
}

function isSyncedDirectory(path: string): boolean {
  try {
    const directory = openSync(path, 'r');
    try {
      fsyncSync(directory);
    } finally {
      closeSync(directory);
    }
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

async function inParallel<Item>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const waiting = items.values();
  const worker = async (): Promise<void> => {
    for (const item of waiting) await work(item);
  };
  await Promise.all(Array.from({ length: count }, worker));
}

/** A file that was written and synced is there, whatever closing it says. */
function close(file: number): void {
  try {
    closeSync(file);
  } catch {
    // The system has given it up all the same.
  }
}

/** What cannot be removed now is when it is old. */
function remove(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Whoever finds it removes it.
  }
}
