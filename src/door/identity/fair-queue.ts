/** So many wait at a time, and so many of one owner. */
export interface QueueBounds {
  readonly most: number;
  readonly mostOfOne: number;
}

export interface Waiting {
  /** On whose behalf. */
  readonly owner: string;
  /** It will not be done: too many wait. */
  readonly giveUp: () => void;
}

/**
 * What waits to be done, the owners in turn. Where it is full, whoever has more waiting than the one who comes gives one up for him: a crowd of one owner
 * keeps nobody else out.
 */
export class FairQueue<Item extends Waiting> {
  readonly #bounds: QueueBounds;
  /** The owner whose turn it is comes first. */
  readonly #byOwner = new Map<string, Item[]>();
  #count = 0;

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#count;
  }

  /** False: it does not wait. */
  add(item: Item): boolean {
    const own = this.#byOwner.get(item.owner) ?? [];
    if (own.length >= this.#bounds.mostOfOne) return false;
    if (this.#count >= this.#bounds.most && !this.#makesRoom(own.length)) return false;
    own.push(item);
    this.#byOwner.set(item.owner, own);
    this.#count += 1;
    return true;
  }

  /** `may`: whose turn it can be. */
  take(may: (owner: string) => boolean = () => true): Item | undefined {
    for (const [owner, items] of this.#byOwner) {
      if (!may(owner)) continue;
      this.#byOwner.delete(owner);
      const item = items.shift();
      if (items.length > 0) this.#byOwner.set(owner, items);
      if (item === undefined) continue;
      this.#count -= 1;
      return item;
    }
    return undefined;
  }

  /** False: nobody has more by two than who comes, so that it would be the same the other way round. */
  #makesRoom(own: number): boolean {
    let longest: Item[] = [];
    for (const items of this.#byOwner.values()) if (items.length > longest.length) longest = items;
    if (longest.length < own + 2) return false;
    longest.pop()?.giveUp();
    this.#count -= 1;
    return true;
  }
}
