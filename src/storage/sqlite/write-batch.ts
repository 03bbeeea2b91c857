import type { Database, Transaction } from 'better-sqlite3';
import type { Clock } from '../../base/clock.ts';
import { Turns } from '../../base/turns.ts';
import { StoreBusyError } from '../content-store.ts';
import { LockedIndex } from './locked-index.ts';
import { isBusy } from './sqlite-errors.ts';

/**
 * A longer transaction would hold up the event loop: so long until it is committed, which takes about as long again (milliseconds), so many rows, and
 * so much in them (bytes, as below), unless one write alone is larger.
 */
const maxRunMs = 2;
const maxRows = 128;
const maxWritten = 256 * 1024;
/** What waits to be written, in bytes of memory, and what each write takes beside its texts. */
const maxWaiting = 16 * 1024 * 1024;
const bytesPerWrite = 1024;
/** At the end, when nobody is served any more, another process's lock is waited for in one go. Milliseconds. */
const lastWaitMs = 5000;

interface Write {
  /** Runs in a transaction of its own inside the batch's, and notes how that went. */
  readonly run: () => void;
  /** Tells whoever waits: how its own part went, or why nothing was committed. */
  readonly settle: (error?: unknown) => void;
  readonly bytes: number;
  readonly rows: number;
  /** By {@link Clock.monotonic}. */
  readonly since: number;
  /** To be called once when a lock keeps it waiting for long. */
  locked: (() => void) | undefined;
}

export interface WriteSettings {
  /** What the work holds in memory while it waits, beside a little for itself. */
  readonly bytes?: number;
  /** How many rows it is about: 1 takes some ten microseconds. */
  readonly rows?: number;
  /** Called once, when it waits and another process has kept the index locked for 100 ms. It goes on waiting. */
  readonly locked?: (() => void) | undefined;
}

/**
 * Group commit: what is written in one turn of the event loop is one transaction, as far as that has time for it. What fails of it for its own
 * reason (a tag without its manifest) takes nothing else along; what fails for the file's (no room) fails all. While somebody else has the
 * file locked everything waits, in its order, and the event loop goes on; what has waited too long, or finds too much waiting, fails.
 */
export class WriteBatch implements AsyncDisposable {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #locked: LockedIndex;
  /** Inside another, a step of it that fails alone. */
  readonly #atomic: Transaction<(work: () => void) => void>;
  readonly #committed: () => void;
  #writes: Write[] = [];
  #waiting = 0;
  #flush: NodeJS.Immediate | undefined;
  #holds = 0;

  /** `committed` is called after each commit. */
  constructor(database: Database, clock: Clock, committed: () => void) {
    this.#database = database;
    this.#clock = clock;
    this.#committed = committed;
    this.#atomic = database.transaction((work: () => void) => work());
    this.#locked = new LockedIndex(clock, () => this.#commit());
  }

  /** Writes are done in the order of their calls. Rejects with what the work throws, with SQLite's error when it commits, or with StoreBusyError. */
  async add<Result>(
    work: () => Result,
    { bytes = 0, rows = 1, locked }: WriteSettings = {},
  ): Promise<Result> {
    const done = Promise.withResolvers<Result>();
    let settle = (): void => {};
    this.#push({
      run: () => {
        try {
          this.#atomic(() => {
            const result = work();
            settle = () => done.resolve(result);
          });
        } catch (error) {
          // SQLite has ended the whole transaction by itself.
          if (!this.#database.inTransaction) throw error;
          settle = () => done.reject(error);
        }
      },
      settle: (error) => (error === undefined ? settle() : done.reject(error)),
      bytes: bytesPerWrite + bytes,
      rows,
      locked,
      since: this.#clock.monotonic(),
    });
    return await done.promise;
  }

  /** Nothing is too large where nothing waits. */
  #push(write: Write): void {
    if (this.#waiting > 0 && this.#waiting + write.bytes > maxWaiting) {
      throw new StoreBusyError('too much waits to be written to the index');
    }
    this.#writes.push(write);
    this.#waiting += write.bytes;
    if (this.#locked.isLong) tellOfLock(write);
    if (!this.#locked.isWaiting) this.#flush ??= setImmediate(() => this.#commit());
  }

  /**
   * Until it is disposed of nothing is committed, for whoever writes would wait for the disk, and the event loop with him. What comes waits as for
   * somebody else's lock, and does not fail however long that takes.
   */
  hold(): Disposable {
    this.#holds += 1;
    const held = new DisposableStack();
    held.defer(() => this.#letGo());
    return held;
  }

  #letGo(): void {
    this.#holds -= 1;
    if (this.#holds > 0 || !this.#locked.isWaiting) return;
    this.#locked.opened();
    this.#commit();
  }

  #commit(): void {
    this.#flush = undefined;
    if (this.#holds > 0) {
      this.#wait();
      return;
    }
    const batch = this.#next();
    try {
      const done = this.#transact(batch);
      this.#locked.opened();
      this.#settle(done);
    } catch (error) {
      if (isBusy(error)) this.#failLate(error);
      else this.#settle(batch.length, error);
    }
    if (this.#writes.length > 0 && !this.#locked.isWaiting) this.#flush = setImmediate(() => this.#commit());
  }

  #next(): readonly Write[] {
    let [bytes, rows] = [0, 0];
    const end = this.#writes.findIndex((write, at) => {
      bytes += write.bytes;
      rows += write.rows;
      return at > 0 && (rows > maxRows || bytes > maxWritten);
    });
    return end === -1 ? [...this.#writes] : this.#writes.slice(0, end);
  }

  /** How many of them are committed: as many as there is time for, one at least. */
  #transact(batch: readonly Write[]): number {
    let done = 0;
    this.#atomic.immediate(() => {
      const turns = new Turns(this.#clock, maxRunMs);
      for (const { run } of batch) {
        run();
        done += 1;
        if (turns.isOver) return;
      }
    });
    this.#committed();
    return done;
  }

  /** So many of those that wait, the first. */
  #settle(count: number, error?: unknown): void {
    for (const { bytes, settle } of this.#writes.splice(0, count)) {
      this.#waiting -= bytes;
      settle(error);
    }
  }

  /** The others are tried again. */
  #failLate(error: unknown): void {
    const inTime = this.#writes.findIndex(({ since }) => !this.#locked.isTooLong(since));
    this.#settle(inTime === -1 ? this.#writes.length : inTime, busyError(error));
    if (this.#writes.length > 0) this.#wait();
    else this.#locked.opened();
  }

  #wait(): void {
    this.#locked.wait();
    if (this.#locked.isLong) this.#writes.forEach(tellOfLock);
  }

  /** From now on nothing waits long for another process's lock. */
  hurry(): void {
    this.#locked.hurry();
  }

  /** Writes what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearImmediate(this.#flush);
    this.#locked.opened();
    if (this.#writes.length > 0) this.#database.pragma(`busy_timeout = ${lastWaitMs}`);
    while (this.#writes.length > 0) this.#commitLast(this.#next());
  }

  #commitLast(batch: readonly Write[]): void {
    try {
      this.#settle(this.#transact(batch));
    } catch (error) {
      // Whoever has it locked is not waited for once more.
      if (isBusy(error)) this.#settle(this.#writes.length, busyError(error));
      else this.#settle(batch.length, error);
    }
  }
}

function tellOfLock(write: Write): void {
  const { locked } = write;
  write.locked = undefined;
  locked?.();
}

function busyError(cause: unknown): StoreBusyError {
  return new StoreBusyError('another process has the index locked', { cause });
}
