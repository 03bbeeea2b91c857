import type { Clock } from '../../base/clock.ts';
import { StoreBusyError } from '../content-store.ts';
import type { File } from './file-system.ts';
import type { SyncTurns } from './sync-turns.ts';

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
/** A disk that ends no sync for so long is not written to. Milliseconds. */
const maxStuckMs = 5000;
/** Nobody waits longer for the files of others before his own, though the disk does what it can: his upstream may not. Milliseconds. */
const maxWaitMs = 20_000;
/** At the end of the process no last sync begins later than that. Milliseconds. */
const hurriedMs = 300;

/** Told as a sync of a file begins; what it returns is called when that has ended well. */
export type SyncWatch = () => () => void;

/**
 * Has large files go to the disk while they are written, one at a time and beside the small ones, and holds up those who write
 * them where all that is not on the disk yet could not be there soon. What is finished or given up does not count.
 */
export class SyncAhead {
  readonly #clock: Clock;
  readonly #turns: SyncTurns;
  #unsynced = 0;
  #most = firstAhead;
  readonly #early = new Set<() => Promise<void>>();
  #earlier: Promise<void> | undefined;
  #lastEndedAt = Number.NEGATIVE_INFINITY;
  #hurriedUntil = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, turns: SyncTurns) {
    this.#clock = clock;
    this.#turns = turns;
  }

  begin(file: File, watch: SyncWatch = () => () => {}): FileAhead {
    return new FileAhead(file, this, watch);
  }

  get isFull(): boolean {
    return this.#unsynced > this.#most;
  }

  /** As {@link SpoolStore.hurry}. */
  hurry(): void {
    this.#hurriedUntil = Math.min(this.#hurriedUntil, this.#clock.monotonic() + hurriedMs);
  }

  wrote(bytes: number): void {
    this.#unsynced += bytes;
  }

  /** They are on the disk, or nobody wants them any more. */
  isRidOf(bytes: number): void {
    this.#unsynced -= bytes;
  }

  /**
   * Syncs the file when it is its turn; `start` is called as that begins and tells how many bytes it is about. Rejects with the
   * signal's reason when that comes before.
   */
  async sync(file: File, signal: AbortSignal, start: () => number): Promise<void> {
    using _ = await this.#turns.large(signal);
    const [startedAt, bytes] = [this.#clock.monotonic(), start()];
    try {
      await file.datasync();
      this.#learn(bytes, this.#clock.monotonic() - startedAt);
    } finally {
      this.#lastEndedAt = this.#clock.monotonic();
    }
  }

  /** One after the other, so that whoever is held up waits for no crowd of those who need not be synced now. */
  early(sync: () => Promise<void>): void {
    this.#early.add(sync);
    this.#earlier ??= this.#syncEarly();
  }

  async #syncEarly(): Promise<void> {
    for (const sync of this.#early) {
      this.#early.delete(sync);
      await sync().catch(() => {});
    }
    this.#earlier = undefined;
  }

  /** Rejects with StoreBusyError when the disk is stuck or the work takes too long, and as the work does. */
  async inTime(work: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<never>();
    const until = this.#clock.monotonic() + maxWaitMs;
    let timer: Disposable;
    const look = (afterMs: number) => {
      timer = this.#clock.after(afterMs, () => {
        const leftMs = Math.min(this.#lastEndedAt + maxStuckMs, until) - this.#clock.monotonic();
        if (leftMs > 0) look(leftMs);
        else late.reject(new StoreBusyError('the disk is too slow for what is written to it'));
      });
    };
    look(maxStuckMs);
    await Promise.race([work, late.promise]).finally(() => timer[Symbol.dispose]());
  }

  /** For the last of a file. Rejects with StoreBusyError where it does not even begin in time. */
  async last(file: File, start: () => number): Promise<void> {
    const waiting = new AbortController();
    const late = () => waiting.abort(new StoreBusyError('the disk is too slow for what was written to it'));
    const leftMs = Math.max(0, this.#hurriedUntil - this.#clock.monotonic());
    using _limit = this.#clock.after(Math.min(maxStuckMs, leftMs), late);
    await this.sync(file, waiting.signal, start);
  }

  /** By syncs that are worth it: of little the time tells what a sync costs, not what a byte does. */
  #learn(bytes: number, milliseconds: number): void {
    if (bytes < restBytes || (bytes < leastAhead && milliseconds < aheadMs)) return;
    const measured = (bytes / Math.max(milliseconds, 1)) * aheadMs;
    this.#most = Math.min(Math.max((this.#most + measured) / 2, leastAhead), mostAhead);
  }
}

/** One file of them. */
class FileAhead {
  readonly #file: File;
  readonly #ahead: SyncAhead;
  readonly #watch: SyncWatch;
  /** What is not synced and counts. Bytes. */
  #unsynced = 0;
  /** Whether it counts or not. */
  #left = 0;
  #syncing: Promise<void> | undefined;
  #isGone = false;
  /** Rejects as the first sync did that failed. */
  #failed: Promise<never> | undefined;
  readonly #early = async (): Promise<void> => {
    if (!this.#isGone && this.#unsynced > 0) await this.#begin();
  };
  /** Ends its waiting for its turn. */
  #leave: () => void = () => {};

  constructor(file: File, ahead: SyncAhead, watch: SyncWatch) {
    this.#file = file;
    this.#ahead = ahead;
    this.#watch = watch;
  }

  /** Has a sync of it? The system tells that once, and what was lost may be any of its bytes. */
  get hasFailed(): boolean {
    return this.#failed !== undefined;
  }

  /**
   * So many bytes more were written; settles when the file may go on. Rejects with StoreBusyError, or with what a sync has thrown:
   * the system tells of a write that failed once, and the next sync succeeds.
   */
  async wrote(bytes: number): Promise<void> {
    this.#left += bytes;
    if (this.#isGone) return;
    this.#unsynced += bytes;
    this.#ahead.wrote(bytes);
    if (this.#unsynced >= earlyBytes) this.#begin().catch(() => {});
    if (this.#unsynced > restBytes && this.#ahead.isFull) await this.#ahead.inTime(this.#begin());
  }

  /** Has it synced in the background, though it need not be. */
  early(): void {
    this.#ahead.early(this.#early);
  }

  /**
   * To be called when nothing is written any more and it will not be put: settles when all is on the disk. Rejects as a sync of it
   * has, or with StoreBusyError.
   */
  async rest(): Promise<void> {
    this.letGo();
    await this.#syncing?.catch(() => {});
    await this.#failed;
    if (this.#left > 0) await this.#ended((start) => this.#ahead.last(this.#file, start));
  }

  /** To be called when all is written: settles when little of it is not on the disk. */
  async finish(): Promise<void> {
    await this.#syncing;
    if (this.#unsynced > restBytes) await this.#begin();
  }

  /** It is on the disk, or nobody wants it there any more: it counts for nothing, and who waits for its turn is told so. */
  letGo(): void {
    this.#isGone = true;
    this.#isRidOf(this.#unsynced);
    this.#leave();
  }

  /** Nothing is synced any more when it settles; how that went does not matter any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.letGo();
    await this.#syncing?.catch(() => {});
  }

  /** Joins a sync that runs; one that failed stays. */
  #begin(): Promise<void> {
    this.#syncing ??= this.#sync();
    return this.#syncing;
  }

  async #sync(): Promise<void> {
    const waiting = new AbortController();
    this.#leave = () => waiting.abort(new Error('the file was given up'));
    const bytes = await this.#ended((start) => this.#ahead.sync(this.#file, waiting.signal, start));
    this.#isRidOf(Math.min(bytes, this.#unsynced));
    this.#syncing = undefined;
  }

  /** Does a sync and tells of how many bytes it was. */
  async #ended(sync: (start: () => number) => Promise<void>): Promise<number> {
    let begun: { readonly bytes: number; readonly ended: () => void } | undefined;
    try {
      await sync(() => {
        begun = { bytes: this.#left, ended: this.#watch() };
        return begun.bytes;
      });
    } catch (error) {
      // Not where it never came to its turn.
      if (begun !== undefined) this.#failed ??= failedWith(error);
      throw error;
    }
    const { bytes = 0, ended = () => {} } = begun ?? {};
    this.#left -= bytes;
    ended();
    return bytes;
  }

  #isRidOf(bytes: number): void {
    this.#unsynced -= bytes;
    this.#ahead.isRidOf(bytes);
  }
}

/** Nobody may ask. */
function failedWith(error: unknown): Promise<never> {
  const failed = Promise.reject(error);
  failed.catch(() => {});
  return failed;
}

export type { FileAhead };
