import type { Log } from '../../base/log.ts';
import type { TaskSet } from '../../base/task-set.ts';
import { type Digest, hostOf, type RepositoryName } from '../../oci/reference.ts';
import type { ContentStore, StoredBlob } from '../../storage/content-store.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { noteArrival, requireContent } from '../../storage/operation.ts';
import { NoRoomError, type StoreRoom } from '../../storage/store-room.ts';

export interface LostFilesParts {
  readonly what: 'manifest' | 'blob';
  readonly content: Pick<ContentStore, 'stat'>;
  readonly metadata: Pick<MetadataStore, 'change'>;
  /** Settles when the bytes are durable. */
  readonly write: (digest: Digest, bytes: Uint8Array) => Promise<StoredBlob>;
  /** Repositories that may have it by now, of which memory has its bytes. */
  readonly owners: (digest: Digest) => Promise<readonly RepositoryName[]>;
  readonly bytesOf: (repository: RepositoryName, digest: Digest) => Uint8Array | undefined;
  /** What it may take, as anything that comes. */
  readonly room: StoreRoom;
  /** Told of what was removed with all images that had it. Default: nobody is. */
  readonly removed?: (digest: Digest) => void;
  readonly tasks: TaskSet;
  readonly log: Log;
}

/**
 * Content whose file somebody has put aside, since it was wrong, or has found missing, while memory has its bytes: these may be the last that there
 * are, and are written again, one after the other and once for each loss. What was removed with its image stays removed.
 */
export class LostFiles {
  readonly #parts: LostFilesParts;
  readonly #waiting = new Set<Digest>();
  #isRunning = false;

  constructor(parts: LostFilesParts) {
    this.#parts = parts;
  }

  /** Its file has come or gone, and memory has it. */
  look(digest: Digest): void {
    this.#waiting.add(digest);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#parts.tasks.run('writing lost files again', async () => await this.#writeAll());
  }

  async #writeAll(): Promise<void> {
    try {
      for (const digest of this.#waiting) {
        this.#waiting.delete(digest);
        await this.#writeAgain(digest);
      }
    } finally {
      this.#isRunning = false;
    }
  }

  async #writeAgain(digest: Digest): Promise<void> {
    const { what, content, owners, removed, log } = this.#parts;
    try {
      if ((await content.stat(digest)) !== undefined) return;
      const all = await owners(digest);
      if (all.length === 0) removed?.(digest);
      for (const repository of all)
        if (await this.#writeFor(repository, digest)) {
          log.warn({ digest, repository }, `a ${what} whose file was lost was written again from memory`);
          return;
        }
    } catch (error) {
      log.error({ err: error, digest }, `a lost ${what} could not be written again: memory alone has it`);
    }
  }

  /** False: memory has lost it meanwhile. Throws NoRoomError. Where its image goes while it is written its file is nobody's, and goes as such. */
  async #writeFor(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const { what, bytesOf, metadata, room, write } = this.#parts;
    const bytes = bytesOf(repository, digest);
    if (bytes === undefined) return false;
    const { length } = bytes;
    using reserved = await room.reserve(hostOf(repository), { bytes: length, come: () => length });
    if (reserved === undefined) throw new NoRoomError();
    const { size, stamp } = await write(digest, bytes);
    await metadata.change([
      noteArrival(digest, size, stamp),
      requireContent(repository, what === 'manifest' ? { manifests: [digest] } : { blobs: [digest] }),
    ]);
    reserved.settle({ digest, size });
    return true;
  }
}
