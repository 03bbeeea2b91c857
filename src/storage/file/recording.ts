import type { Clock } from '../../base/clock.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { Ranges } from '../ranges.ts';
import type { SpoolNote } from '../spool-store.ts';
import type { FileSystem } from './file-system.ts';
import type { SpoolPlace } from './spool-place.ts';
import { writeRecord } from './spool-record.ts';
import type { SyncTurns } from './sync-turns.ts';

/** What comes slowly is on record within this time. Milliseconds. */
const slowMs = 10_000;
/** From one record to the next of what comes fast. Milliseconds. */
const leastPauseMs = 1000;

/** How a spool was at some moment. */
interface Moment {
  readonly ranges: readonly ByteRange[];
  /** So many bytes had been written to it. */
  readonly written: number;
}

export interface RecordingParts {
  readonly files: FileSystem;
  readonly turns: SyncTurns;
  readonly clock: Clock;
  readonly partial: SpoolPlace;
  readonly ranges: Ranges;
  /** Fewer bytes more are not worth a record. */
  readonly worth: number;
  /** Has the file synced in the background, if the disk has time. */
  readonly sync: () => void;
}

/**
 * Puts on record what of a spool is on the disk, behind the syncs that it has anyway, and where it comes slowly behind one of its own.
 * A record that cannot be written is missing and no more. Of what is small nothing is done at all.
 */
export class Recording {
  readonly #parts: RecordingParts;
  #note: SpoolNote | undefined;
  #written = 0;
  #synced: Moment;
  #recorded: Moment;
  #recordedAt = Number.NEGATIVE_INFINITY;
  #timer: Disposable | undefined;
  #writing: Promise<void> | undefined;
  #isOver = false;

  /** What is there at first is on record. */
  constructor(parts: RecordingParts) {
    this.#parts = parts;
    this.#synced = this.#now;
    this.#recorded = this.#synced;
  }

  get note(): SpoolNote | undefined {
    return this.#note;
  }

  mark(note: SpoolNote): void {
    this.#note = note;
    this.#watch();
  }

  wrote(bytes: number): void {
    this.#written += bytes;
    this.#watch();
  }

  /** To be called as a sync begins; what it returns when that has ended well. */
  syncing(): () => void {
    const begun = this.#now;
    return () => {
      this.#synced = begun;
      this.#recordSynced();
      this.#watch();
    };
  }

  /** Nothing is written any more. */
  async stop(): Promise<void> {
    this.#isOver = true;
    this.#timer?.[Symbol.dispose]();
    await this.#writing;
  }

  /** What is on record now: on a full disk perhaps less than is on the disk, and nobody would find the rest. */
  async finish(): Promise<readonly ByteRange[]> {
    await this.stop();
    if (this.#recorded !== this.#synced) await this.#record(this.#synced);
    return this.#recorded.ranges;
  }

  get #now(): Moment {
    return { ranges: [...this.#parts.ranges], written: this.#written };
  }

  /** Of what comes slowly there is enough that it is worth a sync for the record’s sake. */
  get #isWorthSync(): boolean {
    if (this.#note === undefined || this.#parts.partial.record === undefined) return false;
    if (this.#isOver || this.#writing !== undefined) return false;
    return this.#written - this.#recorded.written >= this.#parts.worth;
  }

  #watch(): void {
    const wants = this.#isWorthSync;
    if (wants === (this.#timer !== undefined)) return;
    this.#timer?.[Symbol.dispose]();
    this.#timer = wants ? this.#parts.clock.after(slowMs, () => this.#late()) : undefined;
  }

  #late(): void {
    this.#timer = undefined;
    this.#parts.sync();
    this.#recordSynced();
    this.#watch();
  }

  #recordSynced(): void {
    const isDue = this.#parts.clock.monotonic() - this.#recordedAt >= leastPauseMs;
    const isWorth = this.#synced.written - this.#recorded.written >= this.#parts.worth;
    if (!isDue || !isWorth || this.#writing !== undefined || this.#isOver) return;
    this.#recordedAt = this.#parts.clock.monotonic();
    this.#writing = this.#record(this.#synced).finally(() => {
      this.#writing = undefined;
      this.#watch();
    });
  }

  async #record(moment: Moment): Promise<void> {
    const { partial } = this.#parts;
    if (this.#note === undefined || partial.record === undefined) return;
    partial.hasRecord = true;
    try {
      await writeRecord(this.#parts, partial.record, { note: this.#note, ranges: moment.ranges });
      this.#recorded = moment;
    } catch {
      // The one before still holds.
    }
  }
}
