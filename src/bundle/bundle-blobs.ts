import { LoadError } from '../load/load-error.ts';
import { algorithmOf, DigestHasher, hexOf } from '../oci/digest.ts';
import { Fault } from '../oci/fault.ts';
import type { Digest } from '../oci/reference.ts';
import { BlobUnreadableError, type ContentStore, type OpenBlob } from '../storage/content-store.ts';
import type { BundleHead, ListedBlob } from './bundle-list.ts';
import type { BundleSink } from './bundle-sink.ts';
import type { EarlierBundle } from './earlier-bundle.ts';
import { PossessionHasher } from './possession.ts';

export interface BundleBlobsParts {
  readonly content: ContentStore;
  readonly sink: BundleSink;
  readonly head: BundleHead;
  /** What has these blobs already. */
  readonly earlier: EarlierBundle | undefined;
  readonly signal: AbortSignal;
}

/** The blobs of a bundle, manifests too: each once, hashed as it is read, and those that an earlier bundle has only by name. */
export class BundleBlobs {
  readonly #parts: BundleBlobsParts;
  readonly #listed = new Map<Digest, ListedBlob>();
  /** What is wrong with those that cannot be in it. */
  readonly #wrong = new Map<Digest, LoadError>();

  constructor(parts: BundleBlobsParts) {
    this.#parts = parts;
  }

  /** Those that are in it, and those that it goes on from. */
  get listed(): Iterable<ListedBlob> {
    return this.#listed.values();
  }

  /** `written`: it was not in it before. Throws LoadError for a blob that is missing, or wrong. */
  async add(digest: Digest): Promise<{ readonly size: number; readonly written: boolean }> {
    const there = this.#listed.get(digest);
    if (there !== undefined) return { size: there.size, written: false };
    const wrong = this.#wrong.get(digest);
    if (wrong !== undefined) throw wrong;
    try {
      const blob = await this.#added(digest);
      this.#listed.set(digest, blob);
      return { size: blob.size, written: blob.chunk !== undefined };
    } catch (error) {
      if (error instanceof LoadError) this.#wrong.set(digest, error);
      throw error;
    }
  }

  async #added(digest: Digest): Promise<ListedBlob> {
    const { content, earlier, sink } = this.#parts;
    const isEarlier = earlier?.blobs.has(digest) === true;
    await using blob = await opened(content, digest);
    const { size } = blob;
    const known = earlier?.blobs.get(digest);
    if (known !== undefined) return { digest, size, proof: known, chunk: undefined };
    if (isEarlier || !sink.takesBack) {
      const proof = await this.#read(blob);
      if (isEarlier) return { digest, size, proof, chunk: undefined };
    }
    const possession = new PossessionHasher(this.#parts.head.nonce);
    await this.#write(blob, possession);
    return { digest, size, proof: possession.proof(), chunk: sink.chunk };
  }

  /** Returns the proof. */
  async #read(blob: OpenBlob): Promise<string> {
    const possession = new PossessionHasher(this.#parts.head.nonce);
    for await (const _ of this.#verified(blob, possession));
    return possession.proof();
  }

  async #write(blob: OpenBlob, possession: PossessionHasher): Promise<void> {
    const { sink } = this.#parts;
    const { digest, size } = blob;
    try {
      const path = `blobs/${algorithmOf(digest)}/${hexOf(digest)}`;
      await sink.add(path, size, this.#verified(blob, possession));
    } catch (error) {
      // What it was found right a moment ago cannot be taken back now.
      if (error instanceof LoadError && !sink.takesBack) throw new Error(error.message);
      throw error;
    }
  }

  async *#verified(blob: OpenBlob, possession: PossessionHasher): AsyncGenerator<Uint8Array> {
    const hasher = new DigestHasher(blob.digest);
    try {
      for await (const chunk of blob.read()) {
        this.#parts.signal.throwIfAborted();
        hasher.update(chunk);
        possession.update(chunk);
        yield chunk;
      }
      hasher.verify();
    } catch (error) {
      if (!(error instanceof BlobUnreadableError || error instanceof Fault)) throw error;
      throw new LoadError(`the stored blob ${blob.digest}: ${error.message}`);
    }
  }
}

async function opened(content: ContentStore, digest: Digest): Promise<OpenBlob> {
  try {
    const blob = await content.open(digest);
    if (blob !== undefined) return blob;
  } catch (error) {
    if (!(error instanceof BlobUnreadableError)) throw error;
  }
  throw new LoadError(`the stored blob ${digest} cannot be read, or is gone`);
}
