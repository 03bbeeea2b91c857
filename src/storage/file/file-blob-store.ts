import { type Clock, systemClock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { type Digest, parseDigest } from '../../oci/reference.ts';
import {
  BlobUnreadableError,
  type ContentStore,
  type OpenBlob,
  type StoredBlob,
  WrongBytesError,
} from '../content-store.ts';
import type { Owners } from '../owners.ts';
import type { Spool, SpoolNote, SpoolStore } from '../spool-store.ts';
import type { UploadSpools } from '../upload-spools.ts';
import { adoptFile } from './adopt-file.ts';
import { BufferPool } from './buffer-pool.ts';
import { FileSpool } from './file-spool.ts';
import { FileSpools } from './file-spools.ts';
import { type ExactStatus, type File, type FileSystem, nodeFileSystem, stampOf } from './file-system.ts';
import { newId } from './partial-file.ts';
import type { PartialFiles } from './partial-files.ts';
import { Publisher } from './publisher.ts';
import { Quarantine } from './quarantine.ts';
import { readLoop } from './read-loop.ts';
import { algorithms, StoreDirectories } from './store-directories.ts';
import { isMissing, withRoom } from './store-full.ts';
import { SyncTurns } from './sync-turns.ts';
import { isUnreadable, ofBlob } from './unreadable.ts';

export interface FileBlobStoreOptions {
  /** The versioned directory, with `blobs/` and `partial/` below it. */
  readonly directory: string;
  readonly files?: FileSystem;
  readonly pool?: BufferPool;
  /** So many blobs may be written at a time. Default: as many as the system allows. */
  readonly maxWriters?: number;
  /** Who else writes to `partial/`, once that is there. Default: nobody can tell, and nothing is taken over. */
  readonly owners?: (partial: string) => Owners | undefined;
  /** Fewer bytes of half a blob are not worth keeping. Default: a mebibyte. */
  readonly worth?: number;
  /** All halves of blobs together are no larger. Default: 64 GiB. */
  readonly keptBytes?: number | undefined;
  /** Told of blobs that others have brought who have ended since, for the index may not know of them: see LeftFilesParts. Default: nobody is. */
  readonly brought?: (digests: readonly Digest[]) => Promise<void>;
  /** Told of a blob that has no file, before that is said: it may have one by then. Never rejects. Default: nobody is. */
  readonly missing?: (digest: Digest) => Promise<void>;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** Each blob is one plain file, `blobs/<algorithm>/<hex>`, as in an OCI image layout; on its way it lies in `partial/`. */
export class FileBlobStore implements ContentStore, SpoolStore, AsyncDisposable {
  readonly directories: StoreDirectories;
  readonly #pool: BufferPool;
  readonly #files: FileSystem;
  readonly #publisher: Publisher;
  readonly #spools: FileSpools;
  readonly #quarantine: Quarantine;
  readonly #missing: FileBlobStoreOptions['missing'];

  private constructor(
    options: FileBlobStoreOptions,
    directories: StoreDirectories,
    owners: Owners | undefined,
  ) {
    const { files = nodeFileSystem, pool = new BufferPool(), clock = systemClock } = options;
    const { maxWriters = Number.POSITIVE_INFINITY, worth, keptBytes, brought } = options;
    const turns = new SyncTurns();
    const publisher = new Publisher(files, turns, directories);
    this.directories = directories;
    this.#files = files;
    this.#pool = pool;
    this.#publisher = publisher;
    this.#quarantine = new Quarantine(files, directories);
    this.#missing = options.missing;
    this.#spools = new FileSpools({
      ...{ files, directories, pool, publisher, turns, clock, owners, maxWriters, worth, keptBytes, brought },
    });
  }

  get uploads(): UploadSpools {
    return this.#spools.uploads;
  }

  /** What is on its way, and what was abandoned there. */
  get partial(): PartialFiles {
    return this.#spools.partial;
  }

  /**
   * Makes the directories, takes up what earlier processes have left there and removes what was abandoned. Throws StoreFullError, or
   * the file error as it is.
   */
  static async open(options: FileBlobStoreOptions): Promise<FileBlobStore> {
    const { files = nodeFileSystem, directory, log } = options;
    const directories = new StoreDirectories(files, directory, log);
    await withRoom(async () => await directories.make());
    using held = new DisposableStack();
    const owners = held.use(options.owners?.(directories.partial));
    const store = new FileBlobStore(options, directories, owners);
    await store.#spools.takeUp();
    held.move();
    return store;
  }

  /** Rejects, with the file error as it is, while files can neither be read nor written. Directories that are missing are made. */
  async check(): Promise<void> {
    await this.directories.check();
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    return await this.#found(digest, async () => await this.#statOnce(digest));
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    return await this.#found(digest, async () => await this.#openOnce(digest));
  }

  /** Once more where nothing was found and somebody may have put it back. */
  async #found<Blob>(digest: Digest, look: () => Promise<Blob | undefined>): Promise<Blob | undefined> {
    const found = await look();
    if (found !== undefined || this.#missing === undefined) return found;
    await this.#missing(digest);
    return await look();
  }

  async #statOnce(digest: Digest): Promise<StoredBlob | undefined> {
    try {
      const status = await this.#files.exactStat(this.directories.blob(digest));
      return status.isFile() ? blobOf(digest, status) : undefined;
    } catch (error) {
      if (isMissing(error) || isUnreadable(error)) return undefined;
      throw error;
    }
  }

  async #openOnce(digest: Digest): Promise<OpenBlob | undefined> {
    try {
      const file = await this.#files.open(this.directories.blob(digest), 'r');
      const blob = blobOf(digest, await statusOf(file));
      const { size } = blob;
      return {
        ...blob,
        read: (range = { first: 0, last: size - 1 }, failed, isTrusted = false) =>
          readLoop(file, range, this.#pool, failed, isTrusted ? unwritten(file, blob) : undefined),
        [Symbol.asyncDispose]: async () => await file.close(),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw ofBlob(error);
    }
  }

  async begin(): Promise<Spool> {
    return await this.#spools.begin();
  }

  async reopen(note: Pick<SpoolNote, 'digest' | 'scope'>): Promise<Spool | undefined> {
    return await this.#spools.reopen(note);
  }

  hurry(): void {
    this.#spools.hurry();
  }

  async put(spool: Spool, { digest, size }: VerifiedBlob): Promise<StoredBlob> {
    if (!(spool instanceof FileSpool)) throw new Error('a spool of another store');
    if (spool.ranges.endFrom(0) !== size || spool.ranges.total !== size)
      throw new Error(
        `not the blob that was spooled: ${digest} of ${size} bytes, have ${spool.ranges.total}`,
      );
    const stamp = await spool.publish(this.directories.blob(digest));
    return { digest, size, stamp };
  }

  async keep({ digest, size }: VerifiedBlob, bytes: Uint8Array): Promise<StoredBlob> {
    await this.#spools.publish(bytes, this.directories.blob(digest));
    return { digest, size };
  }

  async setAside(wrong: StoredBlob): Promise<string | undefined> {
    return await this.#quarantine.take(wrong);
  }

  async adopt(
    path: string,
    verify: (bytes: AsyncIterable<Uint8Array>) => Promise<VerifiedBlob>,
  ): Promise<StoredBlob | undefined> {
    const parts = { files: this.#files, directories: this.directories, pool: this.#pool };
    return await adoptFile(path, verify, {
      ...parts,
      publisher: this.#publisher,
      partial: this.partial.file(newId()),
    });
  }

  async delete(digest: Digest): Promise<boolean> {
    try {
      await this.#files.rm(this.directories.blob(digest));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async *list(): AsyncIterable<StoredBlob> {
    for (const algorithm of algorithms) {
      for await (const { name } of await this.#files.opendir(this.directories.blobs(algorithm))) {
        const blob = await this.#listed(`${algorithm}:${name}`);
        if (blob !== undefined) yield blob;
      }
    }
  }

  /** Waits for commits that run. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#publisher[Symbol.asyncDispose]();
    await this.#spools[Symbol.asyncDispose]();
  }

  /** Undefined for a file that is no blob or has just gone. */
  async #listed(text: string): Promise<StoredBlob | undefined> {
    try {
      return await this.stat(parseDigest(text));
    } catch {
      return undefined;
    }
  }
}

function blobOf(digest: Digest, status: ExactStatus): StoredBlob {
  return { digest, size: Number(status.size), stamp: stampOf(status) };
}

/** By what a new name, or none, does not change: whoever reads what is removed meanwhile has all of it. */
function unwritten(file: File, { size, stamp }: StoredBlob): () => Promise<void> {
  return async () => {
    const now = await file.stat({ bigint: true });
    if (Number(now.size) !== size || stampOf(now).modifiedAt !== stamp?.modifiedAt)
      throw new WrongBytesError('its file was written to while it was read');
  };
}

/** Closes the file where it cannot be told, or where that is no file. */
async function statusOf(file: File): Promise<ExactStatus> {
  try {
    const status = await file.stat({ bigint: true });
    if (!status.isFile()) throw new BlobUnreadableError('in the place of a stored blob lies what is no file');
    return status;
  } catch (error) {
    await file.close();
    throw error;
  }
}
