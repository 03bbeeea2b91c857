import type { ByteRange } from '../../oci/registry.ts';
import { BlobUnreadableError, WrongBytesError } from '../content-store.ts';
import type { BufferPool } from './buffer-pool.ts';
import type { File } from './file-system.ts';
import { ofBlob } from './unreadable.ts';

/**
 * The bytes of a range, by two buffers: one is filled while the consumer uses the other (performance facts: twice as fast as
 * a file stream). Without a second one from the pool the first is filled again when the consumer is done with it. A chunk is
 * valid until the next one is asked for. `last` is asked before the last one is given, and may throw. Throws BlobUnreadableError, also when the file ends
 * before the range does.
 */
export async function* readLoop(
  file: File,
  range: ByteRange,
  pool: BufferPool,
  failed: (error: unknown) => void = () => {},
  last?: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  const end = range.last + 1;
  let at = range.first;
  let current = pool.take(end - at);
  let spare: Buffer | undefined;
  let ahead: Promise<number> | undefined;
  try {
    while (at < end) {
      const length = await (ahead ?? readInto(file, current, at, end));
      ahead = undefined;
      if (length === 0) throw new BlobUnreadableError(`a stored blob ends at byte ${at}, before its size`);
      at += length;
      const chunk = current.subarray(0, length);
      if (at === end) await last?.();
      if (at < end) spare ??= pool.takeLarge(end - at);
      if (at < end && spare !== undefined) {
        [current, spare] = [spare, current];
        ahead = readInto(file, current, at, end);
      }
      yield chunk;
    }
  } catch (error) {
    if (!(error instanceof WrongBytesError)) failed(error);
    throw error;
  } finally {
    // A buffer goes back only when nothing is being read into it any more.
    await ahead?.catch(() => 0);
    pool.release(current);
    if (spare !== undefined) pool.release(spare);
  }
}

async function readInto(file: File, buffer: Buffer, at: number, end: number): Promise<number> {
  try {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, end - at), at);
    return bytesRead;
  } catch (error) {
    throw ofBlob(error);
  }
}
