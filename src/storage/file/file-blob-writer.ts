import type { VerifiedBlob } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { BlobWriter, StoredBlob } from '../blob-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { File, FileSystem } from './file-system.ts';
import type { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { withRoom } from './store-full.ts';
import type { FileAhead, SyncAhead } from './sync-ahead.ts';

export interface FileBlobWriterParts {
  readonly digest: Digest;
  readonly files: FileSystem;
  readonly file: File;
  /** The partial file, and where it belongs when it is whole. */
  readonly partial: string;
  readonly target: string;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
  readonly ahead: SyncAhead;
  /** Disposed of when the partial file is gone. */
  readonly own: Disposable;
}

/** A partial file on its way to become a blob. */
export class FileBlobWriter implements BlobWriter {
  readonly #parts: FileBlobWriterParts;
  readonly #ahead: FileAhead;
  #length = 0;
  #isPublished = false;
  #disposed: Promise<void> | undefined;

  constructor(parts: FileBlobWriterParts) {
    this.#parts = parts;
    this.#ahead = parts.ahead.begin(parts.file);
  }

  get length(): number {
    return this.#length;
  }

  async write(...chunks: readonly Uint8Array[]): Promise<void> {
    for (let left = chunks; left.length > 0; ) {
      const { bytesWritten } = await withRoom(async () => await this.#parts.file.writev(left, this.#length));
      this.#length += bytesWritten;
      left = without(left, bytesWritten);
      await withRoom(async () => await this.#ahead.wrote(bytesWritten));
    }
  }

  read(range: ByteRange): AsyncIterable<Uint8Array> {
    return readLoop(this.#parts.file, range, this.#parts.pool);
  }

  async commit({ digest, size }: VerifiedBlob): Promise<StoredBlob> {
    const { file, partial, target, publisher } = this.#parts;
    if (digest !== this.#parts.digest || size !== this.#length) {
      throw new Error(`not the blob that was begun: ${digest} of ${size} bytes, have ${this.#length}`);
    }
    await withRoom(async () => await this.#ahead.finish());
    await publisher.publish(file, partial, target);
    this.#isPublished = true;
    this.#ahead.letGo();
    return { digest, size };
  }

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
    if (!this.#isPublished) await this.#parts.files.rm(this.#parts.partial, { force: true });
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
