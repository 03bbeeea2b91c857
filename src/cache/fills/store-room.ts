import type { RegistryHost } from '../../oci/reference.ts';

/** What may come into the store, beside what the disk says when it is full: a quota. */
export interface StoreRoom {
  /** Would there be room? */
  admits(host: RegistryHost, bytes: number | undefined): boolean;
  /**
   * Room for a blob of so many bytes until it is stored, or is not; undefined: it passes through. Where nobody says how many, there is some. `come`: how
   * many of them have come by now.
   */
  reserve(host: RegistryHost, bytes: number | undefined, come?: () => number): Disposable | undefined;
}

const taken: Disposable = { [Symbol.dispose]() {} };

/** As much as the disk has. */
export const unlimitedRoom: StoreRoom = { admits: () => true, reserve: () => taken };
