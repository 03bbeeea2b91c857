import { DigestHasher } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import type { BlobReader } from '../oci/registry.ts';

/** Upstream has other bytes now than those that are here: no resume will make one blob of them. */
export class OtherBlobError extends RegistryError {
  constructor() {
    super('UNAVAILABLE', 'upstream sent another blob than before it was cut');
  }
}

/**
 * What a reader brings behind the bytes that are here, which are those that were hashed. It may begin before: what it repeats is thrown away,
 * and compared as it passes where it begins at the first byte. Throws OtherBlobError.
 */
export function bodyBehind(here: DigestHasher, reader: BlobReader): AsyncIterable<Uint8Array> {
  const first = reader.range?.first ?? 0;
  return first === here.size ? reader.body : behind(here, reader, first);
}

async function* behind(here: DigestHasher, reader: BlobReader, first: number): AsyncGenerator<Uint8Array> {
  const repeated = new DigestHasher(reader.digest);
  let left = here.size - first;
  for await (const chunk of reader.body) {
    const known = chunk.subarray(0, left);
    const fresh = chunk.subarray(known.length);
    if (known.length > 0) {
      left -= known.length;
      if (first === 0) repeated.update(known);
      if (left === 0 && first === 0 && repeated.sum() !== here.sum()) throw new OtherBlobError();
      // With the last of its memory it may become empty.
      reader.giveBack?.(known);
    }
    if (fresh.length > 0) yield fresh;
  }
  // It ended before what is here: the whole of another blob.
  if (left > 0) throw new OtherBlobError();
}
