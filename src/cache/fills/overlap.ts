import { DigestHasher } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/error.ts';
import type { BlobReader } from '../../oci/registry.ts';

/** Upstream has other bytes now than those that are here: no resume will make one blob of them. */
export class OtherBlobError extends RegistryError {
  constructor() {
    super('UNAVAILABLE', 'upstream sent another blob than before it was cut');
  }
}

/** What of the blob is here without a gap, as far as whoever reads on is concerned. */
export interface Here {
  /** The byte behind it. */
  readonly size: number;
  /** The hash of its bytes, where it is known by now. */
  sum(): string | undefined;
}

/**
 * Tells what of a reader's bytes is not here yet. It may begin before what is here ends: what it repeats is thrown away, and
 * compared as it passes where it begins at the first byte. What is here may grow meanwhile.
 */
export class Overlap {
  readonly #here: Here;
  readonly #reader: BlobReader;
  readonly #first: number;
  #at: number;
  #repeated: DigestHasher | undefined;

  constructor(here: Here, reader: BlobReader) {
    this.#here = here;
    this.#reader = reader;
    this.#first = reader.range?.first ?? 0;
    this.#at = this.#first;
  }

  /** To be told of each chunk, in order. Throws OtherBlobError. */
  freshOf(chunk: Uint8Array): Uint8Array {
    const known = this.#here.size - this.#at;
    this.#at += chunk.length;
    if (known <= 0) return chunk;
    const fresh = chunk.subarray(Math.min(known, chunk.length));
    this.#repeat(chunk.subarray(0, known), fresh.length > 0 || known === chunk.length);
    return fresh;
  }

  /** The reader has ended. Throws OtherBlobError where that was before what is here: it was the whole of another blob. */
  end(): void {
    if (this.#at < this.#here.size) throw new OtherBlobError();
  }

  #repeat(known: Uint8Array, isAll: boolean): void {
    if (this.#first === 0) {
      this.#repeated ??= new DigestHasher(this.#reader.digest);
      this.#repeated.update(known);
      const sum = isAll ? this.#here.sum() : undefined;
      if (sum !== undefined && this.#repeated.sum() !== sum) throw new OtherBlobError();
    }
    // With the last of its memory it may become empty.
    this.#reader.giveBack?.(known);
  }
}
