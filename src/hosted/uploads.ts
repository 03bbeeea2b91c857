import type { ClientRequest } from '../oci/client-request.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { BlobHasher } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import type { SentBytes, UploadState } from '../oci/pushes.ts';
import type { Digest, RepositoryName } from '../oci/reference.ts';
import { beginUpload, endUpload } from '../storage/operation.ts';
import type { Spool } from '../storage/spool-store.ts';
import type { Reservation } from '../storage/store-room.ts';
import { appendAll } from './append-all.ts';
import { changed, type HostedParts, noRoom, orNoRoom } from './hosted-parts.ts';
import { linkPushed, storePushed } from './pushed-blob.ts';
import { inUse, isFinal, outOfOrder, wrongDigest } from './refused-uploads.ts';
import { UploadHashes, verified } from './upload-hashes.ts';

/** So many are open at a time; whoever leaves them so has the others wait until theirs expire. */
const maxUploads = 10_000;
/** How often they are counted anew: other processes have some, too. Milliseconds. */
const countedMs = 10_000;
/** Of one that nobody can guess. */
const idBytes = 16;
const idPattern = /^[0-9a-f]{32}$/;

/**
 * Blobs that clients send over several requests. Of one that waits for its next request there is a row in the index, a file, and a hash in memory. One request at
 * a time writes to it, in whatever process.
 */
export class Uploads {
  readonly #parts: HostedParts;
  readonly #hashes = new UploadHashes();
  readonly #max: number;
  #count = 0;
  #countedAt = Number.NEGATIVE_INFINITY;

  constructor(parts: HostedParts, max = maxUploads) {
    this.#parts = parts;
    this.#max = max;
  }

  async begin(repository: RepositoryName): Promise<UploadState> {
    const { rules, metadata, uploads, clock, randomHex } = this.#parts;
    rules.open(repository);
    await this.#admit();
    const id = randomHex(idBytes);
    await metadata.change([beginUpload({ id, repository, begunAt: clock.now() })]);
    await uploads.make(id);
    return { id, size: 0 };
  }

  async state(repository: RepositoryName, id: string): Promise<UploadState> {
    this.#parts.rules.open(repository);
    await this.#check(repository, id);
    const there = await this.#parts.uploads.stat(id);
    return { id, size: there?.size ?? 0 };
  }

  async append(repository: RepositoryName, id: string, bytes: SentBytes): Promise<UploadState> {
    this.#parts.rules.open(repository);
    return await this.#orOver(id, async () => {
      return await this.#alone(repository, id, async (spool) => {
        const room = await this.#reserve(id, spool, bytes);
        const hasher = await this.#write(id, spool, bytes, room);
        this.#hashes.giveBack(id, hasher);
        return { id, size: spool.ranges.endFrom(0) };
      });
    });
  }

  async commit(
    repository: RepositoryName,
    id: string,
    digest: Digest,
    bytes: SentBytes | undefined,
    by?: ClientRequest,
  ): Promise<Descriptor> {
    const { uploadExpiryMs: keptMs } = this.#parts.rules.open(repository);
    const descriptor = await this.#orOver(id, async () => {
      return await this.#alone(repository, id, async (spool) => {
        const room = await this.#reserve(id, spool, bytes);
        const hasher =
          bytes === undefined
            ? this.#hashes.take(id, spool.ranges.endFrom(0))
            : await this.#write(id, spool, bytes, room);
        const right = await verified(spool, digest, hasher);
        if (right === undefined) throw wrongDigest(digest);
        const stored = await storePushed(spool, right, this.#parts);
        // The store counts it from now on.
        room.settle(stored);
        this.#parts.uploadRooms.giveBack(id);
        // It is this request's until it is over: its file has gone already.
        return await linkPushed(this.#parts, stored, { repository, keptMs, by }, [endUpload(id)]);
      });
    });
    this.#hashes.forget(id);
    this.#count -= 1;
    return descriptor;
  }

  async cancel(repository: RepositoryName, id: string): Promise<void> {
    this.#parts.rules.open(repository);
    await this.#alone(repository, id, async () => await this.#settle(id));
    await this.#discard(id);
  }

  /** It is over, and nothing of it stays; where somebody has it open now its bytes go later. */
  async #end(id: string): Promise<void> {
    await this.#settle(id);
    await this.#discard(id);
  }

  /** Nobody goes on with it from now on. */
  async #settle(id: string): Promise<void> {
    await changed(this.#parts, [endUpload(id)]);
    this.#count -= 1;
  }

  async #discard(id: string): Promise<void> {
    this.#hashes.forget(id);
    await this.#parts.uploads.discard(id);
    this.#parts.uploadRooms.giveBack(id);
  }

  /** Of what is refused for its bytes, or for their room, nothing stays: it is over, and others have its room at once. */
  async #orOver<Value>(id: string, work: () => Promise<Value>): Promise<Value> {
    try {
      return await orNoRoom(work);
    } catch (error) {
      if (!isFinal(error)) throw error;
      // A full disk takes no word of it either: then it is empty until it expires.
      await this.#end(id).catch(async () => await this.#discard(id));
      throw error;
    }
  }

  /** Others wait for those that are open to be done, or to expire. */
  async #admit(): Promise<void> {
    const { clock, metadata } = this.#parts;
    const now = clock.monotonic();
    if (now - this.#countedAt >= countedMs) {
      this.#countedAt = now;
      this.#count = await metadata.countUploads();
    }
    if (this.#count >= this.#max)
      throw new RegistryError('TOOMANYREQUESTS', 'too many uploads are unfinished', {
        headers: { 'Retry-After': '60' },
      });
    this.#count += 1;
  }

  /** Throws BLOB_UPLOAD_UNKNOWN. */
  async #check(repository: RepositoryName, id: string): Promise<void> {
    const upload = idPattern.test(id) ? await this.#parts.metadata.getUpload(id) : undefined;
    if (upload?.repository !== repository)
      throw new RegistryError(
        'BLOB_UPLOAD_UNKNOWN',
        'no such upload: it is done, was given up or has expired',
      );
  }

  async #alone<Value>(
    repository: RepositoryName,
    id: string,
    work: (spool: Spool) => Promise<Value>,
  ): Promise<Value> {
    await this.#check(repository, id);
    await using spool = await this.#parts.uploads.open(id);
    if (spool === undefined) throw inUse();
    try {
      // It may have ended before this had it.
      await this.#check(repository, id);
    } catch (error) {
      await spool[Symbol.asyncDispose]();
      await this.#parts.uploads.discard(id);
      throw error;
    }
    try {
      return await work(spool);
    } finally {
      this.#parts.uploadRooms.rest(id, spool.ranges.endFrom(0));
    }
  }

  /** Room for what earlier requests have brought, and could bring: it is none of what the store counts. Throws RANGE_INVALID, UNAVAILABLE (507). */
  async #reserve(
    id: string,
    spool: Spool,
    { length = 0, at }: Omit<SentBytes, 'chunks'> = {},
  ): Promise<Reservation> {
    const come = (): number => spool.ranges.endFrom(0);
    const begun = come();
    if (at !== undefined && at !== begun) throw outOfOrder(begun);
    const room = await this.#parts.uploadRooms.reserve(id, length, come);
    if (room === undefined) throw noRoom();
    return room;
  }

  /** What has come stays, also where not all comes. Returns the hash of all of it, if it is known. */
  async #write(
    id: string,
    spool: Spool,
    bytes: SentBytes,
    room: Reservation,
  ): Promise<BlobHasher | undefined> {
    const begun = spool.ranges.endFrom(0);
    const hasher = this.#hashes.take(id, begun);
    try {
      await appendAll(spool, bytes, hasher, room);
    } catch (error) {
      // What is short of what was hashed is read again.
      if (hasher?.size === spool.ranges.endFrom(0)) this.#hashes.giveBack(id, hasher);
      throw error;
    }
    return hasher;
  }
}
