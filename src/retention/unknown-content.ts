import type { Digest } from '../oci/reference.ts';
import type { ContentStore, StoredBlob } from '../storage/content-store.ts';
import { announceContent, discardUnknown } from '../storage/operation.ts';
import type { RemovalParts } from './removing-hands.ts';

/** Each has a file that is moved while the index is locked. */
const filesAtOnce = 24;

export interface UnknownParts extends Pick<RemovalParts, 'graph' | 'metadata' | 'clock' | 'graceMs'> {
  readonly content: Pick<ContentStore, 'list' | 'stat'>;
}

/**
 * Files and their bytes: those that have gone, and those that stay for now, since they came a moment ago or cannot be moved. The latter are announced: whoever sweeps
 * what was announced looks at them again.
 */
export interface UnknownContent {
  readonly files: number;
  readonly bytes: number;
  readonly left: number;
}

/**
 * Removes the files of which the index says nothing: no image leads to them, and no limit counts them. To be called when it knows all that it should.
 * Throws the signal's reason, and the store's errors.
 */
export async function removeUnknown(parts: UnknownParts, signal?: AbortSignal): Promise<UnknownContent> {
  const removal = new UnknownRemoval(parts);
  for await (const file of parts.content.list()) {
    signal?.throwIfAborted();
    await removal.add(file);
  }
  await removal.end();
  return removal.done;
}

class UnknownRemoval {
  readonly #parts: UnknownParts;
  #files: StoredBlob[] = [];
  #done: UnknownContent = { files: 0, bytes: 0, left: 0 };

  constructor(parts: UnknownParts) {
    this.#parts = parts;
  }

  get done(): UnknownContent {
    return this.#done;
  }

  async add(file: StoredBlob): Promise<void> {
    if (await this.#isKnown(file.digest)) return;
    this.#files.push(file);
    if (this.#files.length === filesAtOnce) await this.end();
  }

  /** What has become known meanwhile stays: it is looked at again in the change. */
  async end(): Promise<void> {
    const { metadata, content, clock, graceMs } = this.#parts;
    const files = this.#files.splice(0);
    if (files.length === 0) return;
    const digests = files.map(({ digest }) => digest);
    await metadata.change([discardUnknown(digests, clock.now() - graceMs)]);
    const left: Digest[] = [];
    let [gone, bytes] = [this.#done.files, this.#done.bytes];
    for (const { digest, size } of files) {
      if ((await content.stat(digest)) === undefined) [gone, bytes] = [gone + 1, bytes + size];
      else if (!(await this.#isKnown(digest))) left.push(digest);
    }
    this.#done = { files: gone, bytes, left: this.#done.left + left.length };
    if (left.length > 0) await metadata.change([announceContent(left, clock.now() + graceMs)]);
  }

  async #isKnown(digest: Digest): Promise<boolean> {
    return (await this.#parts.graph.content(digest))?.storedAt !== undefined;
  }
}
