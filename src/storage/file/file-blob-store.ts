import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import { Slots } from '../../base/slots.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import { type Digest, parseDigest } from '../../oci/reference.ts';
import { BlobUnreadableError, type ContentStore, type OpenBlob, type StoredBlob } from '../content-store.ts';
import type { Spool, SpoolStore } from '../spool-store.ts';
import { BufferPool } from './buffer-pool.ts';
import { FileSpool } from './file-spool.ts';
import { type File, type FileSystem, nodeFileSystem } from './file-system.ts';
import { PartialFiles } from './partial-files.ts';
import { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { algorithms, StoreDirectories } from './store-directories.ts';
import { isMissing, withRoom } from './store-full.ts';
import { SyncAhead } from './sync-ahead.ts';
import { SyncTurns } from './sync-turns.ts';
import { isUnreadable, ofBlob } from './unreadable.ts';

export interface FileBlobStoreOptions {
  /** The versioned directory, with `blobs/` and `partial/` below it. */
  readonly directory: string;
  readonly files?: FileSystem;
  readonly pool?: BufferPool;
  /** So many blobs may be written at a time. Default: as many as the system allows. */
  readonly maxWriters?: number;
  readonly clock?: Clock;
  readonly log?: Log;
}

/** Each blob is one plain file, `blobs/<algorithm>/<hex>`, as in an OCI image layout; on its way it lies in `partial/`. */
export class FileBlobStore implements ContentStore, SpoolStore, AsyncDisposable {
  /** What is on its way, and what was abandoned there. */
  readonly partial: PartialFiles;
  readonly directories: StoreDirectories;
  readonly #pool: BufferPool;
  readonly #files: FileSystem;
  readonly #publisher: Publisher;
  readonly #ahead: SyncAhead;
  readonly #writers: Slots;

  private constructor(options: FileBlobStoreOptions) {
    const { directory, files = nodeFileSystem, pool = new BufferPool(), clock = systemClock } = options;
    this.directories = new StoreDirectories(files, directory, options.log);
    this.partial = new PartialFiles(files, this.directories.partial);
    this.#files = files;
    this.#pool = pool;
    this.#writers = new Slots(options.maxWriters ?? Number.POSITIVE_INFINITY);
    const turns = new SyncTurns();
    this.#publisher = new Publisher(files, turns, this.directories);
    this.#ahead = new SyncAhead(clock, turns);
  }

  /** Makes the directories and removes what writers have abandoned. Throws StoreFullError, or the file error as it is. */
  static async open(options: FileBlobStoreOptions): Promise<FileBlobStore> {
    const { clock = systemClock } = options;
    const store = new FileBlobStore(options);
    await withRoom(async () => await store.directories.make());
    await store.partial.removeOld(clock.now());
    return store;
  }

  /** Rejects, with the file error as it is, while files can neither be read nor written. Directories that are missing are made. */
  async check(): Promise<void> {
    await this.directories.check();
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    try {
      const status = await this.#files.stat(this.directories.blob(digest));
      return status.isFile() ? { digest, size: status.size } : undefined;
    } catch (error) {
      if (isMissing(error) || isUnreadable(error)) return undefined;
      throw error;
    }
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    try {
      const file = await this.#files.open(this.directories.blob(digest), 'r');
      const size = await sizeOf(file);
      return {
        digest,
        size,
        read: (range = { first: 0, last: size - 1 }, failed) => readLoop(file, range, this.#pool, failed),
        [Symbol.asyncDispose]: async () => await file.close(),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw ofBlob(error);
    }
  }

  async begin(): Promise<Spool> {
    const name = `spool.${randomBytes(8).toString('hex')}`;
    const path = join(this.directories.partial, name);
    using held = new DisposableStack();
    const own = held.use(this.#writer(name));
    const open = async () => await this.#files.open(path, 'wx+', 0o644);
    const file = await withRoom(async () => await this.directories.within(open));
    held.move();
    const [files, pool, publisher, ahead] = [this.#files, this.#pool, this.#publisher, this.#ahead];
    return new FileSpool({ files, file, path, pool, publisher, ahead, own });
  }

  async reopen(): Promise<Spool | undefined> {
    return undefined;
  }

  async put(spool: Spool, { digest, size }: VerifiedBlob): Promise<StoredBlob> {
    if (!(spool instanceof FileSpool)) throw new Error('a spool of another store');
    if (spool.ranges.endFrom(0) !== size || spool.ranges.total !== size)
      throw new Error(
        `not the blob that was spooled: ${digest} of ${size} bytes, have ${spool.ranges.total}`,
      );
    await spool.publish(this.directories.blob(digest));
    return { digest, size };
  }

  /** A place among those who write, until the partial file is gone. Throws as the system does where a process has no file left. */
  #writer(name: string): Disposable {
    if (!this.#writers.tryTake()) {
      throw Object.assign(new Error('as many blobs are written as this process may have files for'), {
        code: 'EMFILE',
      });
    }
    const own = this.partial.own(name);
    return {
      [Symbol.dispose]: () => {
        own[Symbol.dispose]();
        this.#writers.giveBack();
      },
    };
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

/** Closes the file where it cannot be told, or where that is no file. */
async function sizeOf(file: File): Promise<number> {
  try {
    const status = await file.stat();
    if (!status.isFile()) throw new BlobUnreadableError('in the place of a stored blob lies what is no file');
    return status.size;
  } catch (error) {
    await file.close();
    throw error;
  }
}
