import type { Clock } from '../../base/clock.ts';
import { BacklogLane } from './backlog-lane.ts';

/** A larger blob is on its way to the disk while it comes; what is left in the end is bounded by the store. Bytes. */
const largeBytes = 4 * 1024 * 1024;
/** So many where the process has files enough, each of which may be open. */
const usualFiles = 288;
/** Of so many of them one is for a large one. */
const filesPerLarge = 9;
/** So much to write weighs as much as another file. Bytes. */
const bytesPerFile = 256 * 1024;

/**
 * What is finished and not durable yet, files and what the index knows of them: a bounded number, so that all of it can be on
 * the disk within a second. Large blobs do not stand in the way of small ones.
 */
export class Backlog {
  readonly #small: BacklogLane;
  readonly #large: BacklogLane;

  /** `files`: it has no more of them open at a time. */
  constructor(clock: Clock, files = usualFiles) {
    const large = Math.max(1, Math.floor(files / filesPerLarge));
    const small = Math.max(1, files - large);
    this.#small = new BacklogLane(clock, { least: Math.min(16, small), most: small });
    this.#large = new BacklogLane(clock, { least: Math.min(2, large), most: large });
  }

  /**
   * Takes a place for what is finished; to be disposed of when it is durable or given up. Rejects with StoreBusyError when none
   * has become free in time, and with the signal's reason.
   */
  async admit(bytes: number, signal?: AbortSignal): Promise<Disposable> {
    return bytes > largeBytes
      ? await this.#large.admit(1, signal)
      : await this.#small.admit(1 + Math.floor(bytes / bytesPerFile), signal);
  }
}
