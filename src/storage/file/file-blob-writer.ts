import { type FileHandle, rm } from 'node:fs/promises';
import type { VerifiedBlob } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import type { ByteRange } from '../../oci/registry.ts';
import type { BlobWriter, StoredBlob } from '../blob-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { Publisher } from './publisher.ts';
import { readLoop } from './read-loop.ts';
import { withRoom } from './store-full.ts';

export interface FileBlobWriterParts {
  readonly digest: Digest;
  readonly file: FileHandle;
  /** The partial file, and where it belongs when it is whole. */
  readonly partial: string;
  readonly target: string;
  readonly pool: BufferPool;
  readonly publisher: Publisher;
}

/** A partial file on its way to become a blob. */
export class FileBlobWriter implements BlobWriter {
  readonly #parts: FileBlobWriterParts;
  #length = 0;
  #isPublished = false;
  #disposed: Promise<void> | undefined;

  constructor(parts: FileBlobWriterParts) {
    this.#parts = parts;
  }

  get length(): number {
    return this.#length;
  }

  async write(chunk: Uint8Array): Promise<void> {
    for (let done = 0; done < chunk.length; ) {
      const { bytesWritten } = await withRoom(
        async () => await this.#parts.file.write(chunk, done, chunk.length - done, this.#length),
      );
      done += bytesWritten;
      this.#length += bytesWritten;
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
    await publisher.publish(file, partial, target);
    this.#isPublished = true;
    return { digest, size };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    await this.#disposed;
  }

  async #dispose(): Promise<void> {
    await this.#parts.file.close();
    if (!this.#isPublished) await rm(this.#parts.partial, { force: true });
  }
}
