import { hostedHost } from '../oci/reference.ts';
import type { Reservation, StoreRoom } from '../storage/store-room.ts';

interface Held {
  readonly room: Reservation;
  /** How many bytes lie there. */
  come: () => number;
}

/**
 * What unfinished uploads take of the quota, also while they wait for their next request: the store does not count what lies in them, and without this as many as
 * there are would each have all of it.
 */
export class UploadRooms {
  readonly #room: Pick<StoreRoom, 'admits' | 'reserve'>;
  readonly #held = new Map<string, Held>();

  constructor(room: Pick<StoreRoom, 'admits' | 'reserve'>) {
    this.#room = room;
  }

  /** Of uploads for which there is some. */
  get ids(): readonly string[] {
    return [...this.#held.keys()];
  }

  /**
   * For what lies there of an upload that one request at a time goes on with; it grows with what comes. `more`: so much its client says will come, and nothing
   * gives way for that. Undefined: there is none, or never so much; what it had it has.
   */
  async reserve(id: string, more: number, come: () => number): Promise<Reservation | undefined> {
    const bytes = come();
    if (more > 0 && !this.#room.admits(hostedHost, bytes + more)) return undefined;
    const held = this.#held.get(id);
    if (held === undefined) return await this.#begin(id, { bytes, isClaim: false }, come);
    held.come = come;
    return (await held.room.grow(bytes)) ? held.room : undefined;
  }

  /** So many bytes lie there until the next request. */
  rest(id: string, bytes: number): void {
    const held = this.#held.get(id);
    if (held === undefined) return;
    held.come = () => bytes;
    if (bytes === 0) this.giveBack(id);
    else held.room.shrink(bytes);
  }

  /** So many lie there of one that another process has left: nothing gives way for them, they are there. */
  async know(id: string, bytes: number): Promise<void> {
    if (bytes === 0 || this.#held.has(id)) return;
    await this.#begin(id, { bytes, isClaim: true }, () => bytes);
  }

  /** It is over. */
  giveBack(id: string): void {
    this.#held.get(id)?.room[Symbol.dispose]();
    this.#held.delete(id);
  }

  async #begin(
    id: string,
    wish: { readonly bytes: number; readonly isClaim: boolean },
    come: () => number,
  ): Promise<Reservation | undefined> {
    const now = { come };
    const room = await this.#room.reserve(hostedHost, { ...wish, come: () => now.come() });
    if (room === undefined) return undefined;
    if (wish.isClaim && this.#held.has(id)) {
      // Somebody has gone on with it meanwhile.
      room[Symbol.dispose]();
      return undefined;
    }
    this.giveBack(id);
    this.#held.set(id, Object.assign(now, { room }));
    return room;
  }
}
