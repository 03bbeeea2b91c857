import { type Clock, systemClock } from '../../base/clock.ts';
import type { VerifiedBlob } from '../../oci/digest.ts';
import type { Digest } from '../../oci/reference.ts';
import { type ContentStore, type OpenBlob, type StoredBlob, StoreFullError } from '../content-store.ts';
import { KeptSpools } from '../kept-spools.ts';
import type { Spool, SpoolNote, SpoolStore } from '../spool-store.ts';
import type { UploadSpools } from '../upload-spools.ts';
import { type KeptMemory, MemorySpool, type MemorySpoolParts } from './memory-spool.ts';
import { MemoryUploads } from './memory-uploads.ts';
import { slices } from './slices.ts';

/** Of an open blob: its bytes, by which it is told whether another has taken its place. */
const opened = Symbol('opened');

/** Blobs in memory: for tests, and for a server whose disk cannot be written. Beyond `capacity` bytes it is full. */
export class MemoryBlobStore implements ContentStore, SpoolStore {
  capacity: number;
  readonly #blobs = new Map<Digest, Uint8Array>();
  readonly #kept: KeptSpools<KeptMemory>;
  readonly uploads: UploadSpools;
  readonly #parts: MemorySpoolParts;
  #used = 0;

  constructor({
    capacity = Number.POSITIVE_INFINITY,
    clock = systemClock,
  }: { capacity?: number; clock?: Clock } = {}) {
    this.capacity = capacity;
    this.#kept = new KeptSpools(clock);
    this.#parts = { take: (bytes) => this.#take(bytes), kept: this.#kept };
    this.uploads = new MemoryUploads(this.#parts, () => clock.now());
  }

  /** By blobs, and by what is on its way or kept. */
  get used(): number {
    return this.#used;
  }

  async stat(digest: Digest): Promise<StoredBlob | undefined> {
    const bytes = this.#blobs.get(digest);
    return bytes === undefined ? undefined : { digest, size: bytes.length };
  }

  async open(digest: Digest): Promise<OpenBlob | undefined> {
    const bytes = this.#blobs.get(digest);
    if (bytes === undefined) return undefined;
    return {
      ...{ digest, size: bytes.length, [opened]: bytes },
      read: ({ first, last } = { first: 0, last: bytes.length - 1 }) =>
        slices(bytes.subarray(first, last + 1)),
      async [Symbol.asyncDispose]() {},
    };
  }

  async begin(): Promise<Spool> {
    await this.#kept.withRoom(async () => {
      if (this.#used >= this.capacity) throw new StoreFullError('the memory store is full');
    });
    return new MemorySpool(this.#parts);
  }

  async reopen(note: Pick<SpoolNote, 'digest' | 'scope'>): Promise<Spool | undefined> {
    const kept = await this.#kept.take(note);
    if (kept === undefined) return undefined;
    const spool = new MemorySpool(this.#parts, kept.content);
    spool.mark(kept.note);
    return spool;
  }

  hurry(): void {}

  async put(spool: Spool, { digest, size }: VerifiedBlob): Promise<StoredBlob> {
    if (!(spool instanceof MemorySpool)) throw new Error('a spool of another store');
    const bytes = spool.finished(size);
    this.#used -= this.#blobs.get(digest)?.length ?? 0;
    this.#blobs.set(digest, bytes);
    return { digest, size };
  }

  async keep(blob: VerifiedBlob, bytes: Uint8Array): Promise<StoredBlob> {
    await using spool = await this.begin();
    await spool.write(0, bytes);
    return await this.put(spool, blob);
  }

  async setAside(wrong: StoredBlob & { readonly [opened]?: Uint8Array }): Promise<undefined> {
    const { digest, [opened]: bytes = this.#blobs.get(digest) } = wrong;
    if (this.#blobs.get(digest) === bytes) await this.delete(digest);
  }

  async delete(digest: Digest): Promise<boolean> {
    this.#used -= this.#blobs.get(digest)?.length ?? 0;
    return this.#blobs.delete(digest);
  }

  async *list(): AsyncIterable<StoredBlob> {
    for (const [digest, { length }] of [...this.#blobs]) yield { digest, size: length };
  }

  #take(bytes: number): void {
    if (this.#used + bytes > this.capacity) throw new StoreFullError('the memory store is full');
    this.#used += bytes;
  }
}
