import type { Clock } from '../base/clock.ts';
import type { RegistryHost } from '../oci/reference.ts';
import type { ImageGraph } from '../storage/image-graph.ts';
import type { Inventory } from '../storage/inventory.ts';
import type { Reservation, RoomWish, StoreRoom } from '../storage/store-room.ts';
import {
  type FileSystemSpace,
  isLimited,
  type Level,
  type Limits,
  type Look,
  leavesFree,
  levels,
  type Reserved,
} from './limits.ts';
import { SettledContent } from './settled-content.ts';

export interface RoomParts {
  readonly limits: Limits;
  readonly inventory: Pick<Inventory, 'totals'>;
  readonly graph: Pick<ImageGraph, 'counted'>;
  /** Of the file system that the cache lies on. */
  readonly space: () => Promise<FileSystemSpace>;
  readonly clock: Clock;
  /** Whose word on sizes counts. */
  readonly believes: (host: RegistryHost) => boolean;
  /** May nothing more come, of a registry or of whoever that is? */
  readonly isStuck: (host: RegistryHost | undefined) => boolean;
  /** Has images give way; settles when all that may have. */
  readonly makeRoom: () => Promise<void>;
}

/** On its way: `bytes` may come, `come()` have. */
interface Held {
  readonly host: RegistryHost | undefined;
  bytes: number;
  readonly come: () => number;
  /** What it may become by a mere word; 0: there is none. */
  hoped: number;
}

/** Somebody wants more, and waits. */
interface Wish {
  readonly held: Held;
  readonly more: number;
  /** May others have to give way for it? */
  readonly isFirm: boolean;
  readonly answer: (isGranted: boolean) => void;
}

/** So long whoever wants room waits for others to give way; milliseconds. Their files are gone by then. */
const patienceMs = 3000;
const unknownSpace: FileSystemSpace = { size: 0, free: 0 };

/**
 * What is on its way to the store, and whether it may come: only what is within all limits together with what is stored, what is on its way and
 * what waits for room before it. Who finds none waits for images to give way.
 */
export class ReservedRoom implements StoreRoom {
  readonly #parts: RoomParts;
  readonly #held = new Set<Held>();
  readonly #waiting = new Set<Wish>();
  readonly #settled: SettledContent;
  /** What was seen last: of several looks at a time the one that was begun last counts. */
  #seen: Look | undefined;
  #looks = 0;
  #seenAt = 0;

  constructor(parts: RoomParts) {
    this.#parts = parts;
    this.#settled = new SettledContent(parts.graph, parts.clock);
  }

  /** What is on its way. */
  get bytes(): number {
    return sumOf(this.#held, ({ bytes }) => bytes);
  }

  /** What is on its way, and what the index does not count yet of what has come. */
  get underWay(): Reserved {
    const of = (host: RegistryHost | undefined): number =>
      sumOf(this.#held, (held) => (isOf(held, host) ? held.bytes : 0)) + this.#settled.of(host);
    return { of, toCome: sumOf(this.#held, (held) => toComeOf(held)) };
  }

  /** The same with what waits for room. */
  get wanted(): Reserved {
    const { of, toCome } = this.underWay;
    const firm = this.#firm;
    const wishes = (host: RegistryHost | undefined): number =>
      sumOf(firm, ({ held, more }) => (isOf(held, host) ? more : 0));
    return { of: (host) => of(host) + wishes(host), toCome: toCome + sumOf(firm, filesOf) };
  }

  believes(host: RegistryHost): boolean {
    return this.#parts.believes(host);
  }

  admits(host: RegistryHost | undefined, bytes = 0): boolean {
    return !this.#parts.isStuck(host) && bytes <= this.#mostOf(host);
  }

  async reserve(
    host: RegistryHost | undefined,
    { bytes = 0, isClaim = false, come = () => 0 }: RoomWish,
  ): Promise<Reservation | undefined> {
    if (!this.admits(host, bytes)) return undefined;
    const held: Held = { host, bytes: 0, come, hoped: 0 };
    this.#held.add(held);
    if ((await this.#grow(held, bytes, !isClaim)) || isClaim) return this.#reservation(held);
    this.#held.delete(held);
    return undefined;
  }

  /** Looks what is stored by now, and what the file system has. Throws the index's errors. */
  async look(): Promise<Look> {
    const { inventory, limits, space } = this.#parts;
    this.#looks += 1;
    const at = this.#looks;
    const known = await this.#settled.known();
    const totals = await inventory.totals();
    const seen = { totals, space: leavesFree(limits.minFree) ? await space() : unknownSpace };
    // Since a look that was begun later has been seen the index may count what this one does not.
    if (this.#seen !== undefined && at < this.#seenAt) return this.#seen;
    this.#seenAt = at;
    this.#seen = seen;
    this.#settled.forget(known);
    return seen;
  }

  /** Of what waits for others to give way. Bytes. */
  get largest(): number {
    return Math.max(0, ...this.#firm.map(({ more }) => more));
  }

  /** There will be no room for more than that. */
  refuseAbove(bytes: number): void {
    for (const wish of this.#firm) if (wish.more > bytes) this.#refuse(wish);
  }

  /** Gives those who wait what there is by what was seen last, one after the other: nobody takes what would be enough for one before him. */
  serve(): void {
    if (this.#seen === undefined || this.#waiting.size === 0) return;
    const all = levels(this.#parts.limits, this.#seen, this.underWay);
    const ahead = new Map<Level, number>();
    for (const wish of [...this.#waiting]) {
      const its = all.filter(({ host }) => host === undefined || host === wish.held.host);
      for (const level of its) ahead.set(level, (ahead.get(level) ?? level.taken) + needOf(wish, level));
      if (its.every((level) => (ahead.get(level) ?? 0) <= level.most)) this.#answer(wish, true);
    }
  }

  get #firm(): readonly Wish[] {
    return [...this.#waiting].filter(({ isFirm }) => isFirm);
  }

  #reservation(held: Held): Reservation {
    return {
      get bytes() {
        return held.bytes;
      },
      grow: async (bytes, hoped = 0) => {
        if (bytes <= held.bytes) return true;
        const grown = this.#mayHope(held, hoped) && (await this.#grow(held, bytes, true));
        if (!grown) held.hoped = 0;
        return grown;
      },
      shrink: (bytes) => {
        if (bytes >= held.bytes) return;
        held.bytes = bytes;
        this.#gaveBack(held.host);
      },
      settle: ({ digest, size }) => {
        if (this.#held.delete(held) && isLimited(this.#parts.limits))
          this.#settled.add(digest, { host: held.host, bytes: size });
      },
      [Symbol.dispose]: () => {
        for (const wish of this.#waiting) if (wish.held === held) this.#answer(wish, false);
        if (this.#held.delete(held) && held.bytes > 0) this.#gaveBack(held.host);
      },
    };
  }

  /** Beside what others hope for, and nothing else: what is stored may give way in the end, and whoever is vouched for goes before all of them. */
  #mayHope(held: Held, bytes: number): boolean {
    held.hoped = bytes;
    if (bytes === 0) return true;
    const hopedOf = (host: RegistryHost | undefined): number =>
      sumOf(this.#held, (each) => (isOf(each, host) ? each.hoped : 0));
    return hopedOf(undefined) <= this.#mostOf(undefined) && hopedOf(held.host) <= this.#mostOf(held.host);
  }

  async #grow(held: Held, bytes: number, isFirm: boolean): Promise<boolean> {
    if (!this.admits(held.host, bytes)) return false;
    if (isLimited(this.#parts.limits) && bytes > held.bytes) return await this.#granted(held, bytes, isFirm);
    held.bytes = Math.max(held.bytes, bytes);
    return true;
  }

  async #granted(held: Held, bytes: number, isFirm: boolean): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const wish: Wish = { held, more: bytes - held.bytes, isFirm, answer: resolve };
    this.#waiting.add(wish);
    using _late = this.#parts.clock.after(patienceMs, () => {
      this.#answer(wish, false);
      this.#passOn();
    });
    // Where it cannot be told what there is there is none.
    this.#seek(wish).catch(() => this.#refuse(wish));
    return await promise;
  }

  async #seek(wish: Wish): Promise<void> {
    await this.look();
    this.serve();
    if (wish.isFirm && this.#waiting.has(wish)) {
      await this.#parts.makeRoom();
      await this.look();
      this.serve();
    }
    this.#refuse(wish);
  }

  /** Where nothing more was to come that may be over with what did not come after all. */
  #gaveBack(host: RegistryHost | undefined): void {
    this.#passOn();
    // It is looked at now and then anyway.
    if (this.#parts.isStuck(host)) this.#parts.makeRoom().catch(() => undefined);
  }

  /** Those who wait have what somebody gives back. */
  #passOn(): void {
    if (this.#waiting.size === 0) return;
    this.look().then(
      () => this.serve(),
      () => undefined,
    );
  }

  /** By what was just seen. What is behind it is not to suffer from it: at once, since others have waited for the same. */
  #refuse(wish: Wish): void {
    this.#answer(wish, false);
    this.serve();
  }

  #answer(wish: Wish, isGranted: boolean): void {
    if (!this.#waiting.delete(wish)) return;
    if (isGranted) wish.held.bytes += wish.more;
    wish.answer(isGranted);
  }

  #mostOf(host: RegistryHost | undefined): number {
    const { maxSize, registries } = this.#parts.limits;
    const own = (host && registries.get(host)) ?? Number.POSITIVE_INFINITY;
    return Math.min(own, maxSize === 0 ? Number.POSITIVE_INFINITY : maxSize);
  }
}

/** What the file system does not have yet, of so many bytes. */
function toComeOf({ come, bytes }: Held, more = 0): number {
  return Math.max(0, bytes + more - come());
}

function filesOf({ held, more }: Wish): number {
  return toComeOf(held, more) - toComeOf(held);
}

/** What is here already of what goes on is in the file system, and not in the store. */
function needOf(wish: Wish, { reason }: Level): number {
  return reason === 'minFree' ? filesOf(wish) : wish.more;
}

function isOf(held: Held, host: RegistryHost | undefined): boolean {
  return host === undefined || held.host === host;
}

function sumOf<Item>(items: Iterable<Item>, bytesOf: (item: Item) => number): number {
  let sum = 0;
  for (const item of items) sum += bytesOf(item);
  return sum;
}
