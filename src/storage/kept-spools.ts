import type { Clock } from '../base/clock.ts';
import { FileTooLargeError, StoreFullError } from './content-store.ts';
import type { SpoolNote } from './spool-store.ts';

/** Fewer bytes are fetched again in no time. */
const worthBytes = 1024 * 1024;
/** So many stay, so large together, for so long. */
export const maxKept = 64;
const maxKeptBytes = 64 * 1024 ** 3;
/** Milliseconds. */
export const keptMs = 24 * 3_600_000;
/** So long whoever asks for one waits for it while it is being kept: a disk that is stuck must not hold him up. Milliseconds. */
const maxComingMs = 5000;

/** What is kept of one spool. */
export interface KeptSpool {
  readonly note: SpoolNote;
  /** That are there. */
  readonly bytes: number;
  /** Throws it away. Never rejects. */
  discard(): Promise<void>;
}

type Asked = Pick<SpoolNote, 'digest' | 'scope'>;

/** What was kept and waits for whoever goes on with it, within bounds: those that were kept longest ago go first. */
export class KeptSpools<Kept extends KeptSpool> {
  /** Fewer bytes are not worth keeping. */
  readonly worth: number;
  readonly #clock: Clock;
  readonly #maxBytes: number;
  readonly #all = new Map<string, { readonly kept: Kept; readonly since: number }>();
  /** What is being kept. */
  readonly #coming = new Map<string, Promise<void>>();
  #dropping: Promise<void> | undefined;

  /** `maxBytes`: so large all of them are at most. */
  constructor(clock: Clock, worth = worthBytes, maxBytes = maxKeptBytes) {
    this.#clock = clock;
    this.worth = worth;
    this.#maxBytes = Math.min(maxBytes, maxKeptBytes);
  }

  get isEmpty(): boolean {
    return this.#all.size === 0;
  }

  /** Of one blob the larger stays. `ageMs`: so long ago it was kept. */
  async add(kept: Kept, ageMs = 0): Promise<void> {
    await this.removeOld();
    const key = keyOf(kept.note);
    const other = this.#all.get(key)?.kept;
    const loser = other !== undefined && other.bytes > kept.bytes ? kept : other;
    if (loser !== kept) this.#all.set(key, { kept, since: this.#clock.monotonic() - ageMs });
    await loser?.discard();
    await this.removeOld();
    while (this.#all.size > maxKept || this.#bytes > this.#maxBytes) await this.#dropOldest();
  }

  /** It is being kept until `work` has settled, which never rejects: whoever is cut off asks again at once. */
  comes(note: Asked, work: Promise<void>): void {
    const key = keyOf(note);
    const coming = work.then(() => {
      if (this.#coming.get(key) === coming) this.#coming.delete(key);
    });
    this.#coming.set(key, coming);
  }

  /** It is the caller’s from now on. Waits for what is being kept, for some seconds at most. */
  async take(note: Asked): Promise<Kept | undefined> {
    const key = keyOf(note);
    const coming = this.#coming.get(key);
    if (coming !== undefined) await this.#inTime(coming);
    const entry = this.#all.get(key);
    if (entry === undefined || this.#isOld(entry.since)) return undefined;
    this.#all.delete(key);
    return entry.kept;
  }

  async removeOld(): Promise<void> {
    for (const [key, { kept, since }] of [...this.#all]) {
      if (this.#isOld(since) && this.#all.delete(key)) await kept.discard();
    }
  }

  /** Does what may find no room, and again without what is kept, one spool after the other. Throws StoreFullError when none is left. */
  async withRoom<Value>(work: () => Promise<Value>): Promise<Value> {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof StoreFullError) || error instanceof FileTooLargeError) throw error;
        if (this.isEmpty && this.#dropping === undefined) throw error;
        // Others have found the same: one goes for all of them.
        this.#dropping ??= this.#dropOldest().finally(() => {
          this.#dropping = undefined;
        });
        await this.#dropping;
      }
    }
  }

  async #inTime(coming: Promise<void>): Promise<void> {
    const late = Promise.withResolvers<void>();
    using _ = this.#clock.after(maxComingMs, late.resolve);
    await Promise.race([coming, late.promise]);
  }

  get #bytes(): number {
    let sum = 0;
    for (const { kept } of this.#all.values()) sum += kept.bytes;
    return sum;
  }

  async #dropOldest(): Promise<void> {
    const [oldest] = [...this.#all].sort(([, one], [, other]) => one.since - other.since);
    if (oldest === undefined) return;
    const [key, { kept }] = oldest;
    this.#all.delete(key);
    await kept.discard();
  }

  #isOld(since: number): boolean {
    return this.#clock.monotonic() - since >= keptMs;
  }
}

/** Neither holds a space. */
function keyOf({ digest, scope }: Asked): string {
  return `${digest} ${scope}`;
}
