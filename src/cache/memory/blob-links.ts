import { LRUCache } from 'lru-cache';
import type { Log } from '../../base/log.ts';
import { contentKey, type Digest, type RepositoryName } from '../../oci/reference.ts';
import type { MetadataStore } from '../../storage/metadata-store.ts';
import { type Change, linkBlob, loseBlob, ownBlob } from '../../storage/operation.ts';
import type { Stamp } from '../../storage/stamp.ts';
import { LinkBatch } from './link-batch.ts';
import type { Memory } from './memory.ts';

/** When a blob's bytes were found gone, and whether the metadata store knows. */
interface Loss {
  readonly at: number;
  isWritten: boolean;
}

/**
 * Which repositories may serve which stored blobs: memory in front of the metadata store. What the store cannot take, since
 * the disk is full, holds until the process ends: no client pays for it. Every word has its moment, so that what was seen
 * before something newer was said does not undo it.
 */
export class BlobLinks implements Memory {
  readonly #metadata: MetadataStore;
  readonly #batch: LinkBatch;
  readonly #log: Log;
  /** When it was said that a repository owns a blob. */
  readonly #owned = new LRUCache<string, number>({ max: 10_000 });
  /** When any repository was last said to own a blob whose bytes are here. */
  readonly #linked = new LRUCache<Digest, number>({ max: 5000 });
  readonly #lost = new LRUCache<Digest, Loss>({
    max: 5000,
    dispose: ({ at }, _, reason) => {
      if (reason === 'evict') this.#forgotten = Math.max(this.#forgotten, at);
    },
  });
  #moment = 0;
  /** What was said before this moment is looked up again, for it may have been lost since. */
  #forgotten = 0;

  constructor(metadata: MetadataStore, log: Log) {
    this.#metadata = metadata;
    this.#batch = new LinkBatch(metadata);
    this.#log = log;
  }

  /** To be taken before one looks whether a blob is there. */
  now(): number {
    return this.#moment;
  }

  /** By memory alone: false may be for want of having asked. */
  knows(repository: RepositoryName, digest: Digest): boolean {
    return this.#isOwned(contentKey(repository, digest), digest);
  }

  async has(repository: RepositoryName, digest: Digest): Promise<boolean> {
    const key = contentKey(repository, digest);
    if (this.#isOwned(key, digest)) return true;
    if (this.#lost.get(digest)?.isWritten === false) return false;
    const at = this.#moment;
    const linked = await this.#metadata.hasBlob(repository, digest);
    if (linked) this.#owned.set(key, Math.max(this.#owned.get(key) ?? 0, at));
    return this.#isOwned(key, digest);
  }

  /**
   * Upstream has shown that the repository owns the blob, which is in the store. `verified`: its size, if its digest was right just now, and the
   * `stamp` of its file. Who waits for it keeps others waiting: it settles, too, when somebody else has the index locked, and is written when that is over.
   */
  async add(repository: RepositoryName, digest: Digest, verified?: number, stamp?: Stamp): Promise<void> {
    this.#moment += 1;
    this.#owned.set(contentKey(repository, digest), this.#moment);
    this.#linked.set(digest, this.#moment);
    const { promise: locked, resolve } = Promise.withResolvers<void>();
    const written = this.#write(digest, async () => {
      // Who only proved to own it has seen it before he asked: it may be gone by now.
      const operation =
        verified === undefined
          ? ownBlob(repository, digest)
          : linkBlob(repository, digest, verified, 'upstream', stamp);
      await this.#batch.add(operation, resolve);
    });
    await Promise.race([written, locked]);
  }

  /** The blob's bytes were not in the store, or wrong, when somebody looked after `since`; does nothing if it was linked meanwhile. */
  async lose(digest: Digest, since: number, found: 'missing' | 'wrong'): Promise<void> {
    if (this.hasComeSince(digest, since)) return;
    this.#moment += 1;
    const loss: Loss = { at: this.#moment, isWritten: false };
    this.#lost.set(digest, loss);
    loss.isWritten = await this.#write(digest, async () => await this.#batch.add(loseBlob(digest, found)));
  }

  /** Another process has brought the blob, or taken it away. */
  forget(change: Change): void {
    if (change.kind !== 'blob' || this.#lost.get(change.digest)?.isWritten === false) return;
    this.#moment += 1;
    this.#lost.set(change.digest, { at: this.#moment, isWritten: true });
  }

  forgetAll(): void {
    this.#moment += 1;
    this.#forgotten = this.#moment;
  }

  /** Have the blob's bytes been here since? */
  hasComeSince(digest: Digest, since: number): boolean {
    return (this.#linked.get(digest) ?? 0) > since;
  }

  #isOwned(key: string, digest: Digest): boolean {
    return (this.#owned.get(key) ?? -1) >= Math.max(this.#lost.get(digest)?.at ?? 0, this.#forgotten);
  }

  /** False: it could not be written. */
  async #write(digest: Digest, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#log.error({ err: error, digest }, 'the index could not be written');
      return false;
    }
  }
}
