import { memoryShare } from './memory-limit.ts';

export interface Queued {
  /** On whose behalf. */
  readonly owner: string;
  readonly bytes: Uint8Array;
}

/** Bytes of all that wait. */
const maxBytes = memoryShare(64 * 1024 * 1024);
/** Of one owner. */
const maxBytesOfOne = Math.max(8 * 1024 * 1024, memoryShare(24 * 1024 * 1024));

/** What waits to be done, bounded by its bytes; whoever has much to do lets each of the others go before his next. */
export class TurnQueue<Item extends Queued> {
  /** The owner whose turn it is comes first. */
  readonly #byOwner = new Map<string, Item[]>();
  #bytes = 0;

  /** False: there is no room. */
  add(item: Item): boolean {
    const waiting = this.#byOwner.get(item.owner) ?? [];
    const own = waiting.reduce((sum, { bytes }) => sum + bytes.length, item.bytes.length);
    if (own > maxBytesOfOne || this.#bytes + item.bytes.length > maxBytes) return false;
    this.#bytes += item.bytes.length;
    this.#byOwner.set(item.owner, [...waiting, item]);
    return true;
  }

  take(): Item | undefined {
    for (const [owner, [item, ...rest]] of this.#byOwner) {
      this.#byOwner.delete(owner);
      if (item === undefined) continue;
      if (rest.length > 0) this.#byOwner.set(owner, rest);
      this.#bytes -= item.bytes.length;
      return item;
    }
    return undefined;
  }
}
