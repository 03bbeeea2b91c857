import type { Clock } from './clock.ts';

export interface OwnedEntriesSettings {
  readonly clock: Clock;
  /** So many are kept, and so many of one owner. */
  readonly most: number;
  readonly mostOfOne: number;
  /** Each of them for so long. Milliseconds. */
  readonly lifeMs: number;
}

interface Entry<Value> {
  readonly owner: string;
  readonly value: Value;
  /** By {@link Clock.monotonic}. */
  readonly until: number;
}

/**
 * Values that belong to somebody, all for the same time. Where an owner has too many his oldest goes, so that nobody pushes out what is another's; where
 * there are too many of all, the oldest of all.
 */
export class OwnedEntries<Value> {
  readonly #settings: OwnedEntriesSettings;
  /** The oldest first, which end first. */
  readonly #entries = new Map<string, Entry<Value>>();
  /** Of each owner, the oldest first. */
  readonly #keysOf = new Map<string, Set<string>>();

  constructor(settings: OwnedEntriesSettings) {
    this.#settings = settings;
  }

  get size(): number {
    this.#dropEnded();
    return this.#entries.size;
  }

  /** Would another one of his push out any? */
  isFullFor(owner: string): boolean {
    const { most, mostOfOne } = this.#settings;
    return this.size >= most || this.#sizeOf(owner) >= mostOfOne;
  }

  add(key: string, owner: string, value: Value): void {
    const { clock, most, mostOfOne, lifeMs } = this.#settings;
    this.forget(key);
    this.#dropEnded();
    if (this.#sizeOf(owner) >= mostOfOne) this.#dropFirstOf(this.#keysOf.get(owner)?.keys());
    if (this.#entries.size >= most) this.#dropFirstOf(this.#entries.keys());
    this.#entries.set(key, { owner, value, until: clock.monotonic() + lifeMs });
    const own = this.#keysOf.get(owner) ?? new Set();
    this.#keysOf.set(owner, own.add(key));
  }

  /** Undefined: there is none, or its time is over. */
  get(key: string): Value | undefined {
    const entry = this.#entries.get(key);
    return entry === undefined || this.#isOver(entry) ? undefined : entry.value;
  }

  forget(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    const own = this.#keysOf.get(entry.owner);
    own?.delete(key);
    if (own?.size === 0) this.#keysOf.delete(entry.owner);
  }

  #sizeOf(owner: string): number {
    return this.#keysOf.get(owner)?.size ?? 0;
  }

  #dropFirstOf(keys: Iterator<string> | undefined): void {
    const first = keys?.next();
    if (first !== undefined && first.done !== true) this.forget(first.value);
  }

  #dropEnded(): void {
    for (const [key, entry] of this.#entries) {
      if (!this.#isOver(entry)) return;
      this.forget(key);
    }
  }

  #isOver({ until }: Entry<Value>): boolean {
    return until <= this.#settings.clock.monotonic();
  }
}
