import type { Clock } from '../../clock.ts';
import { StoreBusyError } from '../blob-store.ts';
import type { File } from './file-system.ts';

/** So much of a file is written before the disk is asked to begin. Bytes. */
const earlyBytes = 32 * 1024 * 1024;
/** What a file may have unsynced when it is finished, and what a small one has: it is left to the batches of the publisher. Bytes. */
const restBytes = 4 * 1024 * 1024;
/** What is written ahead of the disk, by all files together, is synced within this time. Milliseconds. */
const aheadMs = 400;
/** How much that is: at first, and whatever the disk has shown. Bytes. */
const firstAhead = 64 * 1024 * 1024;
const leastAhead = 8 * 1024 * 1024;
const mostAhead = 256 * 1024 * 1024;
/** A disk that lets a writer wait longer is not written to. Milliseconds. */
const maxWaitMs = 5000;

/**
 * Has large files go to the disk while they are written, one at a time and beside the small ones, and lets none of them run so
 * far ahead of the disk that it could not be durable soon after its end.
 */
export class SyncAhead {
  readonly #clock: Clock;
  #last: Promise<void> = Promise.resolve();
  #unsynced = 0;
  #most = firstAhead;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(file: File): FileAhead {
    return new FileAhead(file, this);
  }

  get isFull(): boolean {
    return this.#unsynced > this.#most;
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes;
  }

  /** They are on the disk, or nobody wants them any more. */
  isRidOf(bytes: number): void {
    this.#unsynced -= bytes;
  }

  /** Syncs the file when those before it are done; `start` is called as that begins and tells how many bytes it is about. */
  async sync(file: File, start: () => number): Promise<void> {
    const before = this.#last;
    const turn = Promise.withResolvers<void>();
    this.#last = turn.promise;
    await before;
    const [startedAt, bytes] = [this.#clock.monotonic(), start()];
    try {
      await file.datasync();
      this.#learn(bytes, this.#clock.monotonic() - startedAt);
    } finally {
      turn.resolve();
    }
  }

  /** Rejects with StoreBusyError when the work takes too long, and as the work does. */
  async inTime(work: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const error = new StoreBusyError('the disk is too slow for what is written to it');
    using _ = this.#clock.after(maxWaitMs, () => late.reject(error));
    await Promise.race([work, late.promise]);
  }

  /** By syncs that are worth it: of little the time tells what a sync costs, not what a byte does. */
  #learn(bytes: number, milliseconds: number): void {
    if (bytes < leastAhead && milliseconds < aheadMs) return;
    const measured = (bytes / Math.max(milliseconds, 1)) * aheadMs;
    this.#most = Math.min(Math.max((this.#most + measured) / 2, leastAhead), mostAhead);
  }
}

/** One file of them. */
class FileAhead {
  readonly #file: File;
  readonly #ahead: SyncAhead;
  #unsynced = 0;
  #syncing: Promise<void> | undefined;

  constructor(file: File, ahead: SyncAhead) {
    this.#file = file;
    this.#ahead = ahead;
  }

  /**
   * So many bytes more were written; settles when the file may go on. Rejects with StoreBusyError, or with what a sync has thrown:
   * the system tells of a write that failed once, and the next sync succeeds.
   */
  async wrote(bytes: number): Promise<void> {
    this.#unsynced += bytes;
    this.#ahead.wrote(bytes);
    if (this.#unsynced >= earlyBytes) this.#begin().catch(() => {});
    if (this.#unsynced > restBytes && this.#ahead.isFull) await this.#ahead.inTime(this.#begin());
  }

  /** To be called when all is written: settles when little of it is not on the disk. */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#unsynced > restBytes) await this.#begin();
  }

  /** Nothing is synced any more when it settles; how that went does not matter any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#syncing?.catch(() => {});
    this.#ahead.isRidOf(this.#unsynced);
    this.#unsynced = 0;
  }

  /** Joins a sync that runs; one that failed stays. */
  #begin(): Promise<void> {
    this.#syncing ??= this.#sync();
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    let bytes = 0;
    await this.#ahead.sync(this.#file, () => (bytes = this.#unsynced));
    this.#unsynced -= bytes;
    this.#ahead.isRidOf(bytes);
    this.#syncing = undefined;
  }
}

export type { FileAhead };
