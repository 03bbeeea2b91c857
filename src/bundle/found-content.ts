import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ArchiveBlobs } from '../load/archive/archive-blobs.ts';
import type { BroughtBlob, BroughtContent } from '../load/archive/import-image.ts';
import { isPassing, LoadError, PassingLoadError, reasonOf } from '../load/load-error.ts';
import type { Tally } from '../load/tally.ts';
import { DigestHasher, type VerifiedBlob, verifyWhole } from '../oci/digest.ts';
import { Fault } from '../oci/fault.ts';
import type { Digest } from '../oci/reference.ts';
import { BlobUnreadableError, type ContentStore } from '../storage/content-store.ts';
import type { Found } from './image-source.ts';

export interface FoundContentParts {
  readonly content: ContentStore;
  readonly blobs: ArchiveBlobs;
  readonly tally: Tally;
  /** Of what was hashed in this run: what many images share is hashed once, right or wrong. */
  readonly hashed: Map<Digest, BroughtBlob | LoadError>;
  readonly isLinked: boolean;
  readonly signal: AbortSignal;
}

/** What a directory has, hashed and put into the store when it is wanted. */
export class FoundContent implements BroughtContent {
  readonly #find: (digest: Digest) => Promise<Found | undefined>;
  readonly #parts: FoundContentParts;

  constructor(find: (digest: Digest) => Promise<Found | undefined>, parts: FoundContentParts) {
    this.#find = find;
    this.#parts = parts;
  }

  async bring(digest: Digest): Promise<BroughtBlob | undefined> {
    const { hashed, content, signal } = this.#parts;
    signal.throwIfAborted();
    const known = hashed.get(digest);
    if (known !== undefined && !(known instanceof LoadError)) {
      const here = await content.stat(digest);
      if (here?.size === known.size) return known;
    }
    // Also for what is wrong: so it is known which file that is.
    const found = await this.#find(digest);
    if (found === undefined) return undefined;
    if (known instanceof LoadError) throw known;
    const blob = await this.#hash(digest, found);
    hashed.set(digest, blob);
    return blob;
  }

  async #hash(digest: Digest, found: Found): Promise<BroughtBlob> {
    try {
      return await ('bytes' in found ? this.#keep(digest, found.bytes) : this.#take(digest, found.path));
    } catch (error) {
      if (error instanceof LoadError) this.#parts.hashed.set(digest, error);
      throw error;
    }
  }

  async #keep(digest: Digest, bytes: Uint8Array): Promise<BroughtBlob> {
    const blob = await right(digest, async () => verifyWhole(digest, bytes));
    const { tally, content, blobs } = this.#parts;
    tally.fetched += blob.size;
    await blobs.announce(digest);
    return await content.keep(blob, bytes);
  }

  async #take(digest: Digest, path: string): Promise<BroughtBlob> {
    return await right(path, async () => {
      const linked = await this.#linked(digest, path);
      return linked ?? (await this.#copied(digest, path));
    });
  }

  async #linked(digest: Digest, path: string): Promise<BroughtBlob | undefined> {
    const { content, isLinked, tally, blobs } = this.#parts;
    if (!isLinked || content.adopt === undefined) return undefined;
    await blobs.announce(digest);
    const blob = await content.adopt(path, async (bytes) => await this.#verified(digest, bytes));
    if (blob !== undefined) tally.present += blob.size;
    return blob;
  }

  async #verified(digest: Digest, bytes: AsyncIterable<Uint8Array>): Promise<VerifiedBlob> {
    const hasher = new DigestHasher(digest);
    for await (const chunk of bytes) {
      this.#parts.signal.throwIfAborted();
      hasher.update(chunk);
    }
    return hasher.verify();
  }

  /** A pipe that lies there would hold a thread until somebody writes to it. */
  async #copied(digest: Digest, path: string): Promise<BroughtBlob> {
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await file.stat();
    if (!status.isFile()) throw new LoadError(`${path} is no file`);
    const body = file.createReadStream({ autoClose: false });
    return await this.#parts.blobs.store({ path, size: status.size, body }, digest);
  }
}

/** What is wrong with a file is said of it, and no reason to leave out others. */
async function right<Value>(name: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Fault || error instanceof BlobUnreadableError || isFileError(error))) throw error;
    const words = `${name}: ${reasonOf(error)}`;
    // It may still be written to.
    const passes = error instanceof BlobUnreadableError || isPassing(error);
    throw passes ? new PassingLoadError(words) : new LoadError(words);
  }
}

/** Of a file that is read; not that the store has no room. */
function isFileError(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' && ['EACCES', 'EPERM', 'EIO', 'ENOENT', 'ENXIO', 'EISDIR'].includes(code);
}
