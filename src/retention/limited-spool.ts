import type { VerifiedBlob } from '../oci/digest.ts';
import type { ByteRange } from '../oci/registry.ts';
import type { ContentStore, StoredBlob } from '../storage/content-store.ts';
import type { Ranges } from '../storage/ranges.ts';
import type { Spool, SpoolNote } from '../storage/spool-store.ts';
import { NoRoomError, type Reservation, roomFor } from '../storage/store-room.ts';

/** A spool for whose bytes room is asked before they are written. Gives it back when it is disposed of, unless they were put. */
export class LimitedSpool implements Spool {
  readonly #spool: Spool;
  readonly #room: Reservation;
  #roomFor = 0;
  #end = 0;

  constructor(spool: Spool, room: Reservation) {
    this.#spool = spool;
    this.#room = room;
  }

  get ranges(): Ranges {
    return this.#spool.ranges;
  }

  /** Behind the last byte. */
  get end(): number {
    return this.#end;
  }

  /** Throws NoRoomError too. */
  async write(at: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    const end = chunks.reduce((sum, { length }) => sum + length, at);
    if (end > this.#roomFor) await this.#grow(end);
    await this.#spool.write(at, ...chunks);
    this.#end = Math.max(this.#end, end);
  }

  async #grow(end: number): Promise<void> {
    const wanted = roomFor(end);
    if (!(await this.#room.grow(wanted))) throw new NoRoomError();
    this.#roomFor = wanted;
  }

  read(range: ByteRange): AsyncIterable<Uint8Array> {
    return this.#spool.read(range);
  }

  mark(note: SpoolNote): void {
    this.#spool.mark(note);
  }

  async keep(): Promise<void> {
    await this.#spool.keep();
  }

  giveUp(): void {
    this.#spool.giveUp();
  }

  async putInto(content: ContentStore, blob: VerifiedBlob): Promise<StoredBlob> {
    const stored = await content.put(this.#spool, blob);
    this.#room.settle(stored);
    return stored;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#room[Symbol.dispose]();
    await this.#spool[Symbol.asyncDispose]();
  }
}
