import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { Expiring } from '../base/expiring.ts';
import { Slots } from '../base/slots.ts';
import type { TaskSet } from '../base/task-set.ts';
import type { RepositoryName } from '../oci/reference.ts';
import { Stopping } from '../oci/stopping.ts';
import type { ContentStore, StoredBlob } from '../storage/content-store.ts';
import { isSameStamp } from '../storage/stamp.ts';
import { BlobCheck } from './blob-check.ts';
import { CheckTally } from './check-tally.ts';

/** So many files are read at a time for their hash alone. The others wait. */
const maxReading = 2;
/** Where each reading is to be checked, one who wants parts need not wait for each: what was right is so for so long (milliseconds), of so many files. */
const rightMs = 60_000;
const maxRight = 1000;

/** A file that somebody has open, and for whom. */
export interface Doubted {
  readonly blob: StoredBlob;
  readonly repository: RepositoryName;
  /** The moment before it was opened, by whoever knows what has come since. */
  readonly since: number;
}

export interface BlobChecksParts {
  readonly content: ContentStore;
  readonly clock: Clock;
  readonly tasks: TaskSet;
  /** Told of each file as soon as it is known to be right. */
  readonly right: (blob: StoredBlob) => Promise<void>;
  /** The same where it is wrong: settles when nobody finds it any more. */
  readonly wrong: (doubted: Doubted) => Promise<void>;
}

/** A part of a check, to be left. */
interface Hold extends Disposable {
  readonly check: BlobCheck;
}

interface Shared {
  readonly check: BlobCheck;
  holders: number;
  /** By one who wants nothing but the hash; rejects with what keeps him from going on. */
  reading: Promise<void> | undefined;
  /** Ends his waiting for his turn. */
  queued: AbortController | undefined;
}

/** Another file has its place by now. */
class ReplacedError extends Error {}

/**
 * Stored files that may have changed since they were verified, while they are hashed: one check for each, shared by all who want its bytes meanwhile. Who
 * reads all of it hashes as he reads; whoever wants a part waits until somebody has, and a reader for the hash alone sees to it.
 */
export class BlobChecks implements Disposable {
  readonly tally = new CheckTally();
  readonly #parts: BlobChecksParts;
  readonly #shared = new Map<string, Shared>();
  readonly #right: Expiring<true>;
  readonly #slots = new Slots(maxReading);
  readonly #stop = new AbortController();
  readonly #clearing = new Set<Promise<void>>();

  constructor(parts: BlobChecksParts) {
    this.#parts = parts;
    this.#right = new Expiring(parts.clock, maxRight);
  }

  /** For one who reads all of it in order. `alone`: what he reads counts, and what nobody else does. */
  join(doubted: Doubted, alone: boolean): Hold {
    if (!alone) return this.#hold(doubted);
    return { check: this.#begun(doubted), [Symbol.dispose]() {} };
  }

  /**
   * Settles when all of the file was hashed and is right. False: another file has its place by now. `recent`: it will do if it was right a moment
   * ago. Throws WrongBytesError, what keeps it from being read, or the signal's reason.
   */
  async whole(doubted: Doubted, recent: boolean, signal: AbortSignal | undefined): Promise<boolean> {
    if (recent && this.#right.get(keyOf(doubted.blob)) !== undefined) return true;
    using hold = this.#hold(doubted);
    const { check } = hold;
    try {
      await abortable(Promise.race([check.over, hold.read()]), signal);
      return check.isRight;
    } catch (error) {
      if (error instanceof ReplacedError) return false;
      throw error;
    }
  }

  /** Its bytes were hashed, all of them, by somebody who needed no check. */
  foundWrong(doubted: Doubted): void {
    this.tally.add('read', 'wrong');
    const clearing = this.#parts.wrong(doubted).finally(() => this.#clearing.delete(clearing));
    this.#clearing.add(clearing);
    this.#parts.tasks.run('putting away a stored blob that is wrong', async () => await clearing);
  }

  /** Settles when all that was found wrong by now is out of the way. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#clearing);
  }

  #hold(doubted: Doubted): Hold & { read(): Promise<void> } {
    const key = keyOf(doubted.blob);
    const shared = this.#shared.get(key) ?? this.#share(key, doubted);
    shared.holders += 1;
    return {
      check: shared.check,
      read: async () => await this.#reading(key, shared),
      [Symbol.dispose]: () => this.#leave(key, shared),
    };
  }

  #share(key: string, doubted: Doubted): Shared {
    const check = this.#begun(doubted, () => this.#forget(key, shared));
    const shared: Shared = { check, holders: 0, reading: undefined, queued: undefined };
    this.#shared.set(key, shared);
    return shared;
  }

  #leave(key: string, shared: Shared): void {
    shared.holders -= 1;
    if (shared.holders === 0 && shared.queued !== undefined) {
      shared.queued.abort(new Error('nobody waits for it any more'));
      // That is seen later, and whoever comes until then is none of those.
      this.#forget(key, shared);
    }
    this.#forgetUnused(key, shared);
  }

  #forgetUnused(key: string, shared: Shared): void {
    const isUsed = shared.holders > 0 || shared.reading !== undefined;
    if (!isUsed) this.#forget(key, shared);
  }

  #forget(key: string, shared: Shared): void {
    if (this.#shared.get(key) === shared) this.#shared.delete(key);
  }

  #begun(doubted: Doubted, over: () => void = () => {}): BlobCheck {
    return new BlobCheck(doubted.blob, (isRight) => {
      over();
      if (isRight) this.#foundRight(doubted.blob);
      else this.foundWrong(doubted);
    });
  }

  #foundRight(blob: StoredBlob): void {
    this.tally.add('read', 'right');
    this.#right.set(keyOf(blob), true, rightMs);
    this.#parts.tasks.run('noting that a stored blob is right', async () => await this.#parts.right(blob));
  }

  /** Once, however many wait. What has begun goes on when they leave; what has not does not begin. */
  async #reading(key: string, shared: Shared): Promise<void> {
    shared.reading ??= this.#begin(key, shared);
    await shared.reading;
  }

  #begin(key: string, shared: Shared): Promise<void> {
    const reading = this.#read(shared).finally(() => {
      shared.reading = undefined;
      this.#forgetUnused(key, shared);
    });
    this.#parts.tasks.run('checking a stored blob', async () => await reading.catch(() => {}));
    return reading;
  }

  async #read(shared: Shared): Promise<void> {
    shared.queued = new AbortController();
    await this.#slots.take(shared.queued.signal);
    shared.queued = undefined;
    await this.#readOn(shared.check).finally(() => this.#slots.giveBack());
  }

  async #readOn(check: BlobCheck): Promise<void> {
    const { digest, size, stamp } = check.blob;
    await using opened = await this.#parts.content.open(digest);
    if (opened?.stamp === undefined || !isSameStamp(opened.stamp, stamp)) throw new ReplacedError();
    let at = check.front;
    if (at === size) return;
    for await (const chunk of opened.read({ first: at, last: size - 1 })) {
      this.#stop.signal.throwIfAborted();
      check.pass(at, chunk);
      at += chunk.length;
      // Others may be further.
      if (check.front === size) return;
    }
  }

  /** Ends what is read for its hash alone. */
  [Symbol.dispose](): void {
    this.#stop.abort(new Stopping());
    for (const { queued } of this.#shared.values()) queued?.abort(new Stopping());
  }
}

function keyOf({ digest, stamp }: StoredBlob): string {
  return `${digest} ${stamp?.inode} ${stamp?.modifiedAt} ${stamp?.changedAt}`;
}
