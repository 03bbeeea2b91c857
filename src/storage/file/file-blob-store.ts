import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../clock.ts';
import { algorithmOf, hexOf } from '../../oci/digest.ts';
import { type Digest, parseDigest } from '../../oci/reference.ts';
import type { BlobStore, BlobWriter, OpenBlob, StoredBlob } from '../blob-store.ts';
import { BufferPool } from './buffer-pool.ts';
import { FileBlobWriter } from './file-blob-writer.ts';
import { type File, type FileSystem, nodeFileSystem } from './file-system.ts';
import { removeAbandoned } from './partial-files.ts';
import { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { isMissing, withRoom } from './store-full.ts';
import { SyncAhead } from './sync-ahead.ts';
import { SyncTurns } from './sync-turns.ts';

const algorithms = ['sha256', 'sha512'];

export interface FileBlobStoreOptions {
  /** The versioned directory, with `blobs/` and `partial/` below it. */
  readonly directory: string;
  readonly files?: FileSystem;
  readonly pool?: BufferPool;
  readonly clock?: Clock;
}

/** Each blob is one plain file, `blobs/<algorithm>/<hex>`, as in an OCI image layout. */
export class FileBlobStore implements BlobStore, AsyncDisposable {
  readonly #directory: string;
  readonly #pool: BufferPool;
  readonly #files: FileSystem;
  readonly #publisher: Publisher;
  readonly #ahead: SyncAhead;

  private constructor(options: FileBlobStoreOptions) {
    const { directory, files = nodeFileSystem, pool = new BufferPool(), clock = systemClock } = options;
    this.#directory = directory;
    this.#files = files;
    this.#pool = pool;
    const turns = new SyncTurns();
    this.#publisher = new Publisher(files, turns);
    this.#ahead = new SyncAhead(clock, turns);
  }

  /** Makes the directories and removes what writers have abandoned. Throws StoreFullError, or the file error as it is. */
  static async open(options: FileBlobStoreOptions): Promise<FileBlobStore> {
    const { directory, files = nodeFileSystem, clock = systemClock } = options;
    await withRoom(async () => {
      for (const algorithm of algorithms)
        await files.mkdir(join(directory, 'blobs', algorithm), { recursive: true });
      await files.mkdir(join(directory, 'partial'), { recursive: true });
    });
    await removeAbandoned(files, join(directory, 'partial'), clock.now());
    return new FileBlobStore(options);
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    try {
      const { size } = await this.#files.stat(this.#path(digest));
      return { digest, size };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    try {
      const file = await this.#files.open(this.#path(digest), 'r');
      const size = await sizeOf(file);
      return {
        digest,
        size,
        read: (range = { first: 0, last: size - 1 }) => readLoop(file, range, this.#pool),
        [Symbol.asyncDispose]: async () => await file.close(),
      };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  async begin(digest: Digest): Promise<BlobWriter> {
    const name = `${algorithmOf(digest)}-${hexOf(digest)}.${randomBytes(8).toString('hex')}`;
    const partial = join(this.#directory, 'partial', name);
    const file = await withRoom(async () => await this.#files.open(partial, 'wx+', 0o644));
    return new FileBlobWriter({
      digest,
      files: this.#files,
      file,
      partial,
      target: this.#path(digest),
      pool: this.#pool,
      publisher: this.#publisher,
      ahead: this.#ahead,
    });
  }

  async delete(digest: Digest): Promise<boolean> {
    try {
      await this.#files.rm(this.#path(digest));
      return true;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async *list(): AsyncIterable<StoredBlob> {
    for (const algorithm of algorithms) {
      for await (const { name } of await this.#files.opendir(join(this.#directory, 'blobs', algorithm))) {
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

  #path(digest: Digest): string {
    return join(this.#directory, 'blobs', algorithmOf(digest), hexOf(digest));
  }
}

/** Closes the file where it cannot be told. */
async function sizeOf(file: File): Promise<number> {
  try {
    const { size } = await file.stat();
    return size;
  } catch (error) {
    await file.close();
    throw error;
  }
}
