import { type BundleList, type Chunk, listName, readList } from '#src/bundle/bundle-list.ts';
import { type BundleSink, exactly } from '#src/bundle/bundle-sink.ts';
import type { EarlierBundle } from '#src/bundle/earlier-bundle.ts';
import type { ExportedImage } from '#src/bundle/export-images.ts';
import type { ArchiveEntry } from '#src/load/archive/archive-entries.ts';
import { LoadError } from '#src/load/load-error.ts';
import { algorithmOf, hexOf } from '#src/oci/digest.ts';
import type { Digest } from '#src/oci/reference.ts';

const pieceBytes = 50_000;

/** A bundle as a tar has it: files in their order. */
export class MemoryBundle {
  readonly files = new Map<string, Uint8Array>();
  /** What it goes on from. */
  readonly earlier: MemoryBundle | undefined;
  /** As whoever made it was told. */
  readonly images: ExportedImage[] = [];
  isFinished = false;

  constructor(earlier: MemoryBundle | undefined) {
    this.earlier = earlier;
  }

  /** With those that it goes on from, the oldest first. */
  get chain(): readonly MemoryBundle[] {
    return [...(this.earlier?.chain ?? []), this];
  }

  /** Of a blob or manifest; undefined: it is not in it. */
  bytesOf(digest: Digest): Uint8Array | undefined {
    return this.files.get(`blobs/${algorithmOf(digest)}/${hexOf(digest)}`);
  }

  async list(): Promise<BundleList> {
    return await readList(bodyOf(this.files.get(listName) ?? new Uint8Array()), listName);
  }

  async asEarlier(): Promise<EarlierBundle> {
    const { head, blobs } = await this.list();
    return { head, blobs: new Map(blobs.values().map(({ digest, proof }) => [digest, proof])) };
  }

  /** `cutAt`: behind this part of it, from 0 to 1, nothing is there. Throws LoadError then, as a tar that is torn. */
  async *entries(cutAt = 1): AsyncGenerator<ArchiveEntry> {
    let left = Math.ceil(cutAt * this.files.values().reduce((sum, { length }) => sum + length, 0));
    for (const [path, bytes] of this.files) {
      const isCut = bytes.length > left;
      yield { path, size: bytes.length, body: isCut ? tornBody(bytes.subarray(0, left)) : bodyOf(bytes) };
      if (isCut) throw torn();
      left -= bytes.length;
    }
  }
}

/** Writes it. `takesBack`: a folder, else a stream. */
export class MemorySink implements BundleSink {
  readonly takesBack: boolean;
  readonly chunk = 1;
  readonly chunks: readonly Chunk[] = [];
  readonly #bundle: MemoryBundle;

  constructor(bundle: MemoryBundle, takesBack: boolean) {
    this.#bundle = bundle;
    this.takesBack = takesBack;
  }

  async add(
    path: string,
    size: number,
    body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  ): Promise<void> {
    const chunks: Uint8Array[] = [];
    // A chunk is valid until the next one is asked for.
    for await (const chunk of exactly(path, size, body)) chunks.push(Uint8Array.from(chunk));
    this.#bundle.files.set(path, Buffer.concat(chunks));
  }

  async finish(): Promise<void> {
    this.#bundle.isFinished = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function* bodyOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
}

async function* tornBody(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield* bodyOf(bytes);
  throw torn();
}

function torn(): LoadError {
  return new LoadError('the tar is torn');
}
