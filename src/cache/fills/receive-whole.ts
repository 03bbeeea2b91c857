import { type VerifiedBlob, verifyWhole } from '../../oci/digest.ts';
import { blamed } from '../../oci/fault.ts';
import type { Digest } from '../../oci/reference.ts';
import type { BlobReader } from '../../oci/registry.ts';

/** A blob in memory: its bytes are nobody's to change. */
export interface WholeBlob {
  readonly blob: VerifiedBlob;
  readonly bytes: Uint8Array;
}

/**
 * Upstream has begun to give the blob, but not in one piece, or not as its manifest says it is: who can go on where it was cut, or learn
 * its size, has to bring it.
 */
export class LongWayError extends Error {
  override readonly name = 'LongWayError';
}

/**
 * All of a blob that should have `size` bytes, verified. Throws LongWayError; UNAVAILABLE where all bytes came and are not the digest's. The
 * reader is left to the caller. `begun` is called when its headers say nothing else than was expected.
 */
export async function receiveWhole(
  reader: BlobReader,
  digest: Digest,
  size: number,
  begun: () => void,
): Promise<WholeBlob> {
  if (reader.size !== undefined && reader.size !== size) throw new LongWayError('it has another size');
  begun();
  const bytes = await bytesOf(reader, size).catch((cause: unknown) => {
    throw cause instanceof LongWayError ? cause : new LongWayError('it broke off', { cause });
  });
  try {
    return { blob: verifyWhole(digest, bytes), bytes };
  } catch (error) {
    if (bytes.length < size) throw new LongWayError('it ended short');
    reader.leavePlace?.();
    throw blamed(error, 'UNAVAILABLE', 'upstream sent');
  }
}

/** In memory of their own. */
async function bytesOf({ body, giveBack }: BlobReader, size: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafeSlow(size);
  let length = 0;
  for await (const chunk of body) {
    if (length + chunk.length > size) throw new LongWayError('more came than there should be');
    bytes.set(chunk, length);
    length += chunk.length;
    giveBack?.(chunk);
  }
  return length === size ? bytes : Uint8Array.from(bytes.subarray(0, length));
}
