import { dirname } from 'node:path';
import type { File, FileSystem } from './file-system.ts';
import { isMissing, withRoom } from './store-full.ts';

interface Job {
  readonly file: File;
  readonly from: string;
  readonly to: string;
  readonly settle: PromiseWithResolvers<void>;
}

/** So many syncs at once: Node has four threads for files, and readers need some. */
const maxSyncs = 2;

/**
 * Makes finished files visible under their final names, in batches: sync each file, rename it, sync the directories once.
 * What comes while a batch runs is the next batch, so waiting for the disk is shared.
 */
export class Publisher implements AsyncDisposable {
  readonly #files: FileSystem;
  #queue: Job[] = [];
  #running: Promise<void> | undefined;
  #early: Promise<void> | undefined;

  constructor(files: FileSystem) {
    this.#files = files;
  }

  /** Settles when `to` is there and will survive a power cut. `from` is gone then. */
  async publish(file: File, from: string, to: string): Promise<void> {
    const settle = Promise.withResolvers<void>();
    this.#queue.push({ file, from, to, settle });
    this.#running ??= this.#run();
    await settle.promise;
  }

  /**
   * Has what was written so far go to the disk already, so that less is left to wait for in the end. For one file at a time;
   * undefined: not now.
   */
  syncEarly(file: File): Promise<void> | undefined {
    if (this.#early !== undefined || this.#running !== undefined) return undefined;
    // Whether it worked will be seen in the end.
    this.#early = file
      .datasync()
      .catch(() => {})
      .finally(() => {
        this.#early = undefined;
      });
    return this.#early;
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) {
      const batch = this.#queue;
      this.#queue = [];
      const published = await this.#inParallel(batch);
      await this.#syncDirectories(published);
    }
    this.#running = undefined;
  }

  async #inParallel(batch: readonly Job[]): Promise<readonly Job[]> {
    const waiting = batch[Symbol.iterator]();
    const published: Job[] = [];
    const worker = async () => {
      for (const job of waiting) {
        try {
          await withRoom(async () => await this.#publishOne(job));
          published.push(job);
        } catch (error) {
          job.settle.reject(error);
        }
      }
    };
    await Promise.all(Array.from({ length: maxSyncs }, worker));
    return published;
  }

  async #syncDirectories(jobs: readonly Job[]): Promise<void> {
    try {
      for (const directory of new Set(jobs.map(({ to }) => dirname(to))))
        await this.#syncDirectory(directory);
      for (const { settle } of jobs) settle.resolve();
    } catch (error) {
      for (const { settle } of jobs) settle.reject(error);
    }
  }

  /** A file that is there already has the same digest, hence the same bytes: replacing it changes nothing. */
  async #publishOne({ file, from, to }: Job): Promise<void> {
    await file.datasync();
    await this.#files.rename(from, to);
  }

  async #syncDirectory(path: string): Promise<void> {
    try {
      await using directory = await this.#files.open(path, 'r');
      await directory.sync();
    } catch (error) {
      // A directory that somebody has removed meanwhile has nothing left to lose.
      if (!isMissing(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running;
  }
}
