import type { ByteRange } from '../../oci/registry.ts';
import { Ranges } from '../ranges.ts';
import type { Spool, SpoolNote } from '../spool-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { File, FileSystem } from './file-system.ts';
import type { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { withRoom } from './store-full.ts';
import type { FileAhead, SyncAhead } from './sync-ahead.ts';

export interface FileSpoolParts {
  readonly files: FileSystem;
  readonly file: File;
  readonly path: string;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
  readonly ahead: SyncAhead;
  /** Disposed of when the partial file is gone. */
  readonly own: Disposable;
}

/** A partial file. */
export class FileSpool implements Spool {
  readonly #parts: FileSpoolParts;
  readonly #ahead: FileAhead;
  readonly ranges = new Ranges();
  #isPublished = false;
  #disposed: Promise<void> | undefined;

  constructor(parts: FileSpoolParts) {
    this.#parts = parts;
    this.#ahead = parts.ahead.begin(parts.file);
  }

  async write(at: number, ...chunks: readonly Uint8Array[]): Promise<void> {
    let left = chunks;
    for (let to = at; left.length > 0; ) {
      const { bytesWritten } = await withRoom(async () => await this.#parts.file.writev(left, to));
      this.ranges.add(to, to + bytesWritten);
      to += bytesWritten;
      left = without(left, bytesWritten);
      await withRoom(async () => await this.#ahead.wrote(bytesWritten));
    }
  }

  read(range: ByteRange): AsyncIterable<Uint8Array> {
    return readLoop(this.#parts.file, range, this.#parts.pool);
  }

  /** Gives it its final name, when all of it is on the disk. */
  async publish(target: string): Promise<void> {
    const { file, path, publisher } = this.#parts;
    await withRoom(async () => await this.#ahead.finish());
    await publisher.publish(file, path, target);
    this.#isPublished = true;
    this.#ahead.letGo();
  }

  mark(_note: SpoolNote): void {}

  async keep(): Promise<void> {}

  giveUp(): void {
    this.#ahead.letGo();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    using _ = this.#parts.own;
    await this.#ahead[Symbol.asyncDispose]();
    await this.#parts.file.close();
    if (!this.#isPublished) await this.#parts.files.rm(this.#parts.path, { force: true });
  }
}

/** What is left of the chunks behind their first so many bytes. */
function without(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let done = bytes;
  return chunks.flatMap((chunk) => {
    const rest = chunk.subarray(Math.min(done, chunk.length));
    done -= chunk.length - rest.length;
    return rest.length === 0 ? [] : [rest];
  });
}
