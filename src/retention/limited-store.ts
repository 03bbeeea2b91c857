import type { VerifiedBlob } from '../oci/digest.ts';
import type { Digest } from '../oci/reference.ts';
import type { ContentStore, OpenBlob, StoredBlob } from '../storage/content-store.ts';
import type { Spool, SpoolStore } from '../storage/spool-store.ts';
import { NoRoomError, type Reservation, type StoreRoom } from '../storage/store-room.ts';
import { LimitedSpool } from './limited-spool.ts';

/**
 * A store that takes no more than there is room for: for whoever puts into it what no fill brings, an archive or a bundle. All that puts or begins
 * something throws {@link NoRoomError} where there is none. Whose it will be nobody knows before its image does: a registry's own limit is kept to
 * behind it.
 */
export class LimitedStore implements ContentStore, SpoolStore {
  readonly #content: ContentStore;
  readonly #spools: SpoolStore;
  readonly #room: Pick<StoreRoom, 'reserve'>;

  constructor(
    { content, spools }: { content: ContentStore; spools: SpoolStore },
    room: Pick<StoreRoom, 'reserve'>,
  ) {
    this.#content = content;
    this.#spools = spools;
    this.#room = room;
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    return await this.#content.stat(digest);
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    return await this.#content.open(digest);
  }

  async put(spool: Spool, blob: VerifiedBlob): Promise<StoredBlob> {
    return spool instanceof LimitedSpool
      ? await spool.putInto(this.#content, blob)
      : await this.#content.put(spool, blob);
  }

  async keep(blob: VerifiedBlob, bytes: Uint8Array): Promise<StoredBlob> {
    using room = await this.#reserve(blob.size);
    const stored = await this.#content.keep(blob, bytes);
    room.settle(stored);
    return stored;
  }

  async setAside(wrong: StoredBlob): Promise<string | undefined> {
    return await this.#content.setAside(wrong);
  }

  async adopt(
    path: string,
    verify: (bytes: AsyncIterable<Uint8Array>) => Promise<VerifiedBlob>,
  ): Promise<StoredBlob | undefined> {
    using held = new DisposableStack();
    let room: Reservation | undefined;
    const verifyAndReserve = async (bytes: AsyncIterable<Uint8Array>): Promise<VerifiedBlob> => {
      const blob = await verify(bytes);
      room = held.use(await this.#reserve(blob.size));
      return blob;
    };
    const stored = await this.#content.adopt?.(path, verifyAndReserve);
    if (stored !== undefined) room?.settle(stored);
    return stored;
  }

  async delete(digest: Digest): Promise<boolean> {
    return await this.#content.delete(digest);
  }

  list(): AsyncIterable<StoredBlob> {
    return this.#content.list();
  }

  async begin(): Promise<Spool> {
    using held = new DisposableStack();
    let spool: LimitedSpool | undefined;
    const room = held.use(await this.#reserve(0, () => spool?.end ?? 0));
    spool = new LimitedSpool(await this.#spools.begin(), room);
    held.move();
    return spool;
  }

  /** What a fill has left is for fills. */
  async reopen(): Promise<undefined> {
    return undefined;
  }

  hurry(): void {
    this.#spools.hurry();
  }

  async #reserve(bytes: number, come = (): number => bytes): Promise<Reservation> {
    const room = await this.#room.reserve(undefined, { bytes, come });
    if (room === undefined) throw new NoRoomError();
    return room;
  }
}
