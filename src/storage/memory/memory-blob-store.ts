import type { VerifiedBlob } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import {
  type BlobStore,
  type BlobWriter,
  type OpenBlob,
  type StoredBlob,
  StoreFullError,
} from '../blob-store.ts';

/** Blobs in memory: for tests, and for a server whose disk cannot be written. Beyond `capacity` bytes it is full. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array>();
  readonly #capacity: number;
  #used = 0;

  constructor({ capacity = Number.POSITIVE_INFINITY }: { capacity?: number } = {}) {
    this.#capacity = capacity;
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : { digest, size: bytes.length };
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) return undefined;
    return {
      digest,
      size: bytes.length,
      read: ({ first, last } = { first: 0, last: bytes.length - 1 }) =>
        slices(bytes.subarray(first, last + 1)),
      async [Symbol.asyncDispose]() {},
    };
  }

  async begin(digest: Digest): Promise<BlobWriter> {
    if (this.#used >= this.#capacity) throw new StoreFullError('the memory store is full');
    const chunks: Uint8Array[] = [];
    let length = 0;
    let committed = false;
    return {
      get length() {
        return length;
      },
      write: async (...added) => {
        for (const chunk of added) {
          this.#take(chunk.length);
          chunks.push(Uint8Array.from(chunk));
          length += chunk.length;
        }
      },
      read: ({ first, last }) => slices(Buffer.concat(chunks).subarray(first, last + 1)),
      commit: async (blob) => {
        const stored = this.#commit(digest, blob, Buffer.concat(chunks));
        committed = true;
        return stored;
      },
      giveUp() {},
      [Symbol.asyncDispose]: async () => {
        if (!committed) this.#used -= length;
        committed = true;
      },
    };
  }

  async delete(digest: Digest): Promise<boolean> {
    this.#used -= this.#blobs.get(digest)?.length ?? 0;
    return this.#blobs.delete(digest);
  }

  async *list(): AsyncIterable<StoredBlob> {
    for (const [digest, { length }] of [...this.#blobs]) yield { digest, size: length };
  }

  #take(bytes: number): void {
    if (this.#used + bytes > this.#capacity) throw new StoreFullError('the memory store is full');
    this.#used += bytes;
  }

  #commit(digest: Digest, blob: VerifiedBlob, bytes: Uint8Array): StoredBlob {
    if (blob.digest !== digest || blob.size !== bytes.length)
      throw new Error(`not the blob that was begun: ${digest}`);
    this.#used -= this.#blobs.get(digest)?.length ?? 0;
    this.#blobs.set(digest, bytes);
    return { digest, size: bytes.length };
  }
}

async function* slices(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65536) yield bytes.subarray(at, at + 65536);
}
