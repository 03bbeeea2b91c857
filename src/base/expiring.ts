import { LRUCache } from 'lru-cache';
import type { Clock } from './clock.ts';

/** So many whose time is over are dropped with each that comes: more than come, and no work that anybody notices. */
const droppedAtOnce = 4;

interface Entry<Value> {
  readonly value: Value;
  /** By {@link Clock.monotonic}. */
  readonly until: number;
}

/** What the values may weigh together, and what each does, with its key; in bytes, about. */
interface Weight<Value> {
  readonly most: number;
  readonly of: (value: Value, key: string) => number;
}

/** Remembers values for so long as it is told, the `max` that were used last. What has expired goes as others come. */
export class Expiring<Value> {
  readonly #clock: Clock;
  readonly #entries: LRUCache<string, Entry<Value>>;

  constructor(clock: Clock, max: number, weight?: Weight<Value>) {
    this.#clock = clock;
    this.#entries = new LRUCache({
      max,
      ...(weight !== undefined && {
        maxSize: weight.most,
        sizeCalculation: ({ value }: Entry<Value>, key: string) => weight.of(value, key),
      }),
    });
  }

  /** Also those whose time is over and that nobody has asked for since. */
  get size(): number {
    return this.#entries.size;
  }

  /** Undefined: it was not told, or its time is over. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.until > this.#clock.monotonic()) return entry?.value;
    this.#entries.delete(key);
    return undefined;
  }

  set(key: string, value: Value, milliseconds: number): void {
    const now = this.#clock.monotonic();
    this.#dropSome(now);
    this.#entries.set(key, { value, until: now + milliseconds });
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /** Of those that were used longest ago. */
  #dropSome(now: number): void {
    for (let dropped = 0; dropped < droppedAtOnce; dropped += 1) {
      const { value: key } = this.#entries.rkeys().next();
      const entry = key === undefined ? undefined : this.#entries.peek(key);
      if (key === undefined || entry === undefined || entry.until > now) return;
      this.#entries.delete(key);
    }
  }
}
