import type { RegistryHost } from '../oci/reference.ts';
import { type StoredBlob, StoreFullError } from './content-store.ts';

/** What is known of a blob that is to come. */
export interface RoomWish {
  /** Undefined: nobody says. */
  readonly bytes: number | undefined;
  /** Is it a manifest's word alone? Nothing gives way for that. */
  readonly isClaim?: boolean;
  /** How many of them have come by now. Default: none. */
  readonly come?: () => number;
}

/** Room for a blob that is on its way. Disposing it gives it back: nothing comes any more. */
export interface Reservation extends Disposable {
  /** For how many bytes it is. */
  readonly bytes: number;
  /**
   * For so many in all from now on, if that is more. Waits for some seconds at most while others give way. False: there is room for no more than there was. `hoped`: it
   * may become so many, by a mere word; false at once where there are not so many beside what others of whom the same is true hope for. Nothing gives way for a hope.
   */
  grow(bytes: number, hoped?: number): Promise<boolean>;
  /** There will be no more than so many. */
  shrink(bytes: number): void;
  /** The blob is stored: its bytes are counted here until the index counts them, whatever is disposed of. */
  settle(blob: Pick<StoredBlob, 'digest' | 'size'>): void;
}

/** What may come into the store, beside what the disk says when it is full: a quota. */
export interface StoreRoom {
  /** Does its word on how much will come make others give way before it comes? Of who nobody has configured it does not: room follows the bytes. */
  believes(host: RegistryHost): boolean;
  /** Could there be room? No, where it is more than all that may be kept, or nothing may come. */
  admits(host: RegistryHost, bytes: number | undefined): boolean;
  /**
   * Room for a blob; undefined: it passes through. Waits for some seconds at most while others give way. Where nobody says how many bytes come, or that is
   * a claim for which there is no room at once, there is none before it grows. `host`: undefined where nobody knows yet whose it is. Never rejects.
   */
  reserve(host: RegistryHost | undefined, wish: RoomWish): Promise<Reservation | undefined>;
}

/** So much more at a time, where nobody says how many bytes will come. */
const mostMore = 16 * 1024 * 1024;

/** For how many bytes room is asked where so many have come and nobody says how many will: for few of them seldom enough. */
export function roomFor(bytes: number): number {
  return Math.min(2 * bytes, bytes + mostMore);
}

/** So many times of what has come others give way for on a mere word. */
const timesGiven = 4;
/** So many times of it count beside others whose word is no better: most of those that never all fit pass through before they have much. */
const timesHoped = 64;

/** The same where so many have come of `announced`, which nobody vouches for: in proportion to them, that nothing goes for what never comes. */
export function roomOnWord(
  bytes: number,
  announced: number,
): { readonly room: number; readonly hoped: number } {
  const upTo = (times: number): number => Math.min(times * bytes, announced);
  return { room: upTo(timesGiven), hoped: upTo(timesHoped) };
}

/** It is a quota that has no room. */
export class NoRoomError extends StoreFullError {
  override readonly name = 'NoRoomError';

  constructor() {
    super('the cache may not hold so much');
  }
}

const unlimited: Reservation = {
  bytes: Number.POSITIVE_INFINITY,
  grow: async () => true,
  shrink() {},
  settle() {},
  [Symbol.dispose]() {},
};

/** As much as the disk has. */
export const unlimitedRoom: StoreRoom = {
  believes: () => true,
  admits: () => true,
  reserve: async () => unlimited,
};
