import type { BlobHasher } from '../oci/digest.ts';
import { RegistryError } from '../oci/error.ts';
import type { SentBytes } from '../oci/pushes.ts';
import type { Spool } from '../storage/spool-store.ts';
import { type Reservation, roomFor } from '../storage/store-room.ts';
import { noRoom } from './hosted-parts.ts';

/** So much waits for the disk at most. Bytes. */
const maxWaiting = 1024 * 1024;

/**
 * Writes all that comes behind what is there, and hashes it meanwhile; what comes while the disk is busy goes with its next write. Nobody writes to a chunk
 * again. What came before `chunks` failed is there when this throws. `room`, which is for all that the spool holds, grows with what has come, and by no more
 * than that on a client's word. Throws UNAVAILABLE (507) where it does not, and SIZE_INVALID for another length than was said.
 */
export async function appendAll(
  spool: Spool,
  { chunks, length, used }: SentBytes,
  hasher: BlobHasher | undefined,
  room: Pick<Reservation, 'bytes' | 'grow'>,
): Promise<void> {
  const last = length === undefined ? Number.POSITIVE_INFINITY : spool.ranges.endFrom(0) + length;
  let left = length ?? Number.POSITIVE_INFINITY;
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  let writing: Promise<void> | undefined;
  const write = async (): Promise<void> => {
    while (waiting.length > 0) {
      const some = waiting;
      const begun = spool.ranges.endFrom(0);
      const end = begun + bytes;
      [waiting, bytes] = [[], 0];
      // Where there is none to spare there may still be enough.
      const wanted = Math.min(roomFor(end), last);
      if (end > room.bytes && !(await room.grow(wanted)) && !(await room.grow(end))) throw noRoom();
      await spool.write(begun, ...some);
      used?.(some);
    }
    writing = undefined;
  };
  try {
    for await (const chunk of chunks) {
      left -= chunk.length;
      if (left < 0) throw notAsLong('more');
      waiting.push(chunk);
      bytes += chunk.length;
      if (writing === undefined) {
        writing = write();
        // Told to whoever waits for it next.
        writing.catch(() => {});
      }
      // In the same step: once it is written its memory may be another's.
      hasher?.update(chunk);
      if (bytes >= maxWaiting) await writing;
    }
  } finally {
    await writing;
  }
  if (left > 0 && length !== undefined) throw notAsLong('less');
}

function notAsLong(what: 'more' | 'less'): RegistryError {
  return new RegistryError('SIZE_INVALID', `${what} has come than was said: nothing of it is kept`);
}
