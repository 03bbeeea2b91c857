import { type Clock, systemClock } from './clock.ts';
import { memoryShare } from './memory-limit.ts';

/** So long somebody waits for room: a client who is told to come again must have heard of it before it gives up. Milliseconds. */
const maxWaitMs = 10_000;
/** So many wait at a time, and so many of one owner. */
const maxWaiting = 512;
const maxWaitingOfOne = 256;

interface Asked {
  readonly owner: string;
  readonly bytes: number;
  /** What it holds already. */
  readonly held: number;
}

interface Waiting extends Asked {
  readonly admitted: PromiseWithResolvers<boolean>;
}

export interface RoomBounds {
  readonly clock: Clock;
  /** Bytes that all take. */
  readonly most: number;
  /** Bytes that one owner takes. */
  readonly mostOfOne: number;
}

/**
 * Memory, in bytes as they are counted by whoever takes them. First come, first served; whoever has some and needs more goes before those who
 * have none. Who is held up by the bound of one owner alone holds up nobody else. What is larger than all of it is admitted when nobody else has any.
 */
export class Room {
  readonly #bounds: RoomBounds;
  readonly #ofOwners = new Map<string, number>();
  readonly #growing = new Set<Waiting>();
  readonly #coming = new Set<Waiting>();
  #taken = 0;

  constructor(bounds: RoomBounds) {
    this.#bounds = bounds;
  }

  /** Bytes. */
  get taken(): number {
    return this.#taken;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#growing.size + this.#coming.size;
  }

  /** `held`: bytes that who asks has already. False: there is no room, or others wait for it. */
  tryTake(owner: string, bytes: number, held = 0): boolean {
    if (this.#isBehind(owner, this.#growing) || (held === 0 && this.#isBehind(owner, this.#coming)))
      return false;
    if (!this.#fits({ owner, bytes, held })) return false;
    this.force(owner, bytes);
    return true;
  }

  /** False: there was none in time, or too many wait. Rejects with the signal's reason. */
  async take(owner: string, bytes: number, held = 0, signal?: AbortSignal): Promise<boolean> {
    signal?.throwIfAborted();
    if (this.tryTake(owner, bytes, held)) return true;
    const waiting = { owner, bytes, held, admitted: Promise.withResolvers<boolean>() };
    if (!this.#mayWait(owner)) return false;
    const queue = held > 0 ? this.#growing : this.#coming;
    queue.add(waiting);
    this.#next();
    const leave = (end: () => void): void => {
      if (!queue.delete(waiting)) return;
      end();
      this.#next();
    };
    const abort = (): void => leave(() => waiting.admitted.reject(signal?.reason));
    signal?.addEventListener('abort', abort, { once: true });
    using _ = this.#bounds.clock.after(maxWaitMs, () => leave(() => waiting.admitted.resolve(false)));
    try {
      return await waiting.admitted.promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** For what is there already, whether there is room or not. */
  force(owner: string, bytes: number): void {
    this.#taken += bytes;
    this.#ofOwners.set(owner, this.#of(owner) + bytes);
  }

  giveBack(owner: string, bytes: number): void {
    if (bytes === 0) return;
    this.#taken -= bytes;
    const left = this.#of(owner) - bytes;
    if (left > 0) this.#ofOwners.set(owner, left);
    else this.#ofOwners.delete(owner);
    this.#next();
  }

  #of(owner: string): number {
    return this.#ofOwners.get(owner) ?? 0;
  }

  #fits(asked: Asked): boolean {
    return this.#hasRoom(asked) && this.#mayHave(asked);
  }

  #hasRoom({ bytes, held }: Asked): boolean {
    return this.#taken - held <= 0 || this.#taken + bytes <= this.#bounds.most;
  }

  #mayHave({ owner, bytes, held }: Asked): boolean {
    const own = this.#of(owner);
    return own - held <= 0 || own + bytes <= this.#bounds.mostOfOne;
  }

  /** Does somebody in the queue come before this owner: another of his, or one who waits for the room of all? */
  #isBehind(owner: string, queue: ReadonlySet<Waiting>): boolean {
    for (const waiting of queue) if (waiting.owner === owner || this.#mayHave(waiting)) return true;
    return false;
  }

  #mayWait(owner: string): boolean {
    if (this.waiting >= maxWaiting) return false;
    const own = [...this.#growing, ...this.#coming].filter((waiting) => waiting.owner === owner);
    return own.length < maxWaitingOfOne;
  }

  #next(): void {
    for (const waiting of this.#growing) if (this.#fits(waiting)) this.#admit(this.#growing, waiting);
    this.#freeTheStuck();
    const behind = new Set<string>();
    for (const waiting of this.#growing) {
      if (this.#mayHave(waiting)) return;
      behind.add(waiting.owner);
    }
    for (const waiting of this.#coming) {
      if (behind.has(waiting.owner)) continue;
      if (this.#fits(waiting)) this.#admit(this.#coming, waiting);
      else if (this.#mayHave(waiting)) return;
      else behind.add(waiting.owner);
    }
  }

  /** Where all that is taken, or all that one owner has, is held by those who wait for more, nobody would ever give any back. */
  #freeTheStuck(): void {
    const [first] = this.#growing;
    if (first === undefined) return;
    if (heldBy(this.#growing) >= this.#taken) this.#admit(this.#growing, first);
    const ofOwners = Map.groupBy(this.#growing, ({ owner }) => owner);
    for (const [owner, [next, ...rest]] of ofOwners) {
      if (next === undefined || !this.#hasRoom(next)) continue;
      if (heldBy([next, ...rest]) >= this.#of(owner)) this.#admit(this.#growing, next);
    }
  }

  #admit(queue: Set<Waiting>, waiting: Waiting): void {
    queue.delete(waiting);
    this.force(waiting.owner, waiting.bytes);
    waiting.admitted.resolve(true);
  }
}

function heldBy(all: Iterable<Waiting>): number {
  return [...all].reduce((sum, { held }) => sum + held, 0);
}

const mebibyte = 1024 * 1024;
/** One list of four megabytes has room in the smallest container; some at a time where there is more. */
const most = memoryShare(256 * mebibyte);

/**
 * For large lists and manifests, from before they are read until they were sent: the process has one, as it has one memory. Owners are
 * registries.
 */
export const largeAnswers = new Room({
  clock: systemClock,
  most,
  mostOfOne: Math.max(20 * mebibyte, Math.floor((most * 3) / 8)),
});
