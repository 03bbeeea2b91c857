import type { Clock } from '../../base/clock.ts';
import type { Tag } from '../../oci/reference.ts';
import type { TagRecord } from '../../storage/records.ts';

/** After a failure it is tried again when so much time has passed, twice as much after the next. Milliseconds. */
const restMs = 5000;
const maxRestMs = 5 * 60_000;
/** So many are tried again at a time: places in the backlog are for what clients wait for. */
const maxAgain = 4;
/** Of a manifest with more tags than this, none of which the store took, the rest wait until upstream is asked about them. */
const maxTags = 1000;

/** What memory has of one manifest and the store has not, while it is being stored. To be disposed of when that is over. */
export interface Storing extends Disposable {
  /** Has the store the manifest, and lacks tags alone? */
  isWritten: boolean;
  /** What the store lacks; whoever puts one takes it out. */
  readonly tags: Map<Tag, TagRecord>;
}

interface Unstored {
  isWritten: boolean;
  readonly tags: Map<Tag, TagRecord>;
  isBusy: boolean;
  failures: number;
  /** By {@link Clock.monotonic}. */
  notBefore: number;
}

/** Manifests that memory has and the store has not, whole or with their tags: each is tried again, now and then, by one at a time. */
export class UnstoredManifests {
  readonly #clock: Clock;
  readonly #all = new Map<string, Unstored>();
  #again = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  has(key: string): boolean {
    return this.#all.has(key);
  }

  add(key: string): void {
    this.#all.set(key, unstored(false));
  }

  /** Tags that lead to it; the store has the manifest unless it was added before. */
  addTags(key: string, tags: readonly TagRecord[]): void {
    if (tags.length === 0) return;
    const entry = this.#all.get(key) ?? unstored(true);
    this.#all.set(key, entry);
    for (const record of tags) {
      if (entry.tags.size < maxTags || entry.tags.has(record.tag)) entry.tags.set(record.tag, record);
    }
  }

  /** Memory has lost it. */
  forget(key: string): void {
    this.#all.delete(key);
  }

  /** Undefined: nothing of it is unstored, or somebody is storing it. */
  begin(key: string): Storing | undefined {
    const entry = this.#all.get(key);
    if (entry === undefined || entry.isBusy) return undefined;
    return this.#storing(key, entry, () => {});
  }

  /** Undefined also where it failed a moment ago, or where enough others are tried again. */
  again(key: string): Storing | undefined {
    const entry = this.#all.get(key);
    if (entry === undefined || entry.isBusy || this.#clock.monotonic() < entry.notBefore) return undefined;
    if (entry.isWritten) return this.#storing(key, entry, () => {});
    if (this.#again >= maxAgain) return undefined;
    this.#again += 1;
    return this.#storing(key, entry, () => {
      this.#again -= 1;
    });
  }

  #storing(key: string, entry: Unstored, ended: () => void): Storing {
    entry.isBusy = true;
    return Object.assign(entry, {
      [Symbol.dispose]: () => {
        ended();
        this.#end(key, entry);
      },
    });
  }

  #end(key: string, entry: Unstored): void {
    entry.isBusy = false;
    if (!entry.isWritten || entry.tags.size > 0) {
      // A store that does not take a tag may have lost its manifest.
      entry.isWritten = false;
      entry.notBefore = this.#clock.monotonic() + Math.min(restMs * 2 ** entry.failures, maxRestMs);
      entry.failures += 1;
    } else if (this.#all.get(key) === entry) this.#all.delete(key);
  }
}

function unstored(isWritten: boolean): Unstored {
  return { isWritten, tags: new Map(), isBusy: false, failures: 0, notBefore: 0 };
}
