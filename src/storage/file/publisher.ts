import { dirname } from 'node:path';
import type { Stamp } from '../stamp.ts';
import { type File, type FileSystem, stampOf } from './file-system.ts';
import type { StoreDirectories } from './store-directories.ts';
import { isMissing, withRoom } from './store-full.ts';
import { maxSyncs, type SyncTurns } from './sync-turns.ts';

interface Job {
  readonly file: File;
  readonly from: string;
  readonly to: string;
  readonly settle: PromiseWithResolvers<Stamp | undefined>;
}

interface Published extends Job {
  /** Undefined: it could not be looked at, and is hashed when it is first read. */
  readonly stamp: Stamp | undefined;
}

/** What comes last in a batch makes the first in it wait: no more files than this. */
const maxBatch = 64;

/**
 * Makes finished files visible under their final names, in batches: sync each file, rename it, sync the directories once.
 * What comes while a batch runs goes with the next, so waiting for the disk is shared. How much may wait here is the business
 * of those who hand in.
 */
export class Publisher implements AsyncDisposable {
  readonly #files: FileSystem;
  readonly #turns: SyncTurns;
  readonly #store: StoreDirectories;
  /** Open as long as this is: where no file can be opened any more, what is finished can still be kept. */
  readonly #directories = new Map<string, File>();
  readonly #queue: Job[] = [];
  #generation = 0;
  #running: Promise<void> | undefined;

  constructor(files: FileSystem, turns: SyncTurns, store: StoreDirectories) {
    this.#files = files;
    this.#turns = turns;
    this.#store = store;
  }

  /** Settles when `to` is there and will survive a power cut, with what it is known by as it is there. `from` is gone then. */
  async publish(file: File, from: string, to: string): Promise<Stamp | undefined> {
    const settle = Promise.withResolvers<Stamp | undefined>();
    this.#queue.push({ file, from, to, settle });
    this.#running ??= this.#run();
    return await settle.promise;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const published = await this.#inParallel(this.#queue.splice(0, maxBatch));
      await this.#syncDirectories(published);
    }
    this.#running = undefined;
  }

  async #inParallel(batch: readonly Job[]): Promise<readonly Published[]> {
    const waiting = batch[Symbol.iterator]();
    const published: Published[] = [];
    const worker = async () => {
      for (const job of waiting) {
        try {
          const stamp = await withRoom(async () => await this.#publishOne(job));
          published.push({ ...job, stamp });
        } catch (error) {
          job.settle.reject(error);
        }
      }
    };
    await Promise.all(Array.from({ length: maxSyncs }, worker));
    return published;
  }

  async #syncDirectories(jobs: readonly Published[]): Promise<void> {
    try {
      for (const directory of new Set(jobs.map(({ to }) => dirname(to))))
        await withRoom(async () => await this.#syncDirectory(directory));
      for (const { settle, stamp } of jobs) settle.resolve(stamp);
    } catch (error) {
      for (const { settle } of jobs) settle.reject(error);
    }
  }

  /** A file that is there already has the same digest, hence the same bytes: replacing it changes nothing. */
  async #publishOne({ file, from, to }: Job): Promise<Stamp | undefined> {
    await this.#sync(file);
    await this.#store.move(from, to);
    // Another name is a change of the file as well.
    return await file.stat({ bigint: true }).then(stampOf, () => undefined);
  }

  async #sync(file: File): Promise<void> {
    using _ = await this.#turns.small();
    await file.datasync();
  }

  async #syncDirectory(path: string): Promise<void> {
    if (this.#generation !== this.#store.generation) await this.#closeDirectories();
    try {
      const directory = this.#directories.get(path) ?? (await this.#files.open(path, 'r'));
      this.#directories.set(path, directory);
      await directory.sync();
    } catch (error) {
      // A directory that somebody has removed meanwhile has nothing left to lose.
      if (!isMissing(error)) throw error;
    }
  }

  /** Somebody has removed them, perhaps, and what is open is no more what has its name. */
  async #closeDirectories(): Promise<void> {
    this.#generation = this.#store.generation;
    const directories = [...this.#directories.values()];
    this.#directories.clear();
    for (const directory of directories) await directory.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
    await this.#closeDirectories();
  }
}
