import type { BlobCheck } from './blob-check.ts';

/** So many bytes at the end stay back until the digest is known to be right, as those of a transfer do. */
const heldBackBytes = 64 * 1024;

/**
 * The bytes of a whole file as they are read, hashed on their way. The last ones are given when all were right. Throws WrongBytesError where they are
 * not, whoever found that. A chunk is valid until the next one is asked for.
 */
export async function* heldBack(
  chunks: AsyncIterable<Uint8Array>,
  check: BlobCheck,
): AsyncGenerator<Uint8Array> {
  const visible = check.blob.size - heldBackBytes;
  const kept: Uint8Array[] = [];
  let at = 0;
  for await (const chunk of chunks) {
    check.pass(at, chunk);
    if (check.isRight) yield* kept.splice(0);
    const shown = check.isRight ? chunk.length : Math.min(Math.max(visible - at, 0), chunk.length);
    at += chunk.length;
    if (shown > 0) yield chunk.subarray(0, shown);
    if (shown < chunk.length) kept.push(Uint8Array.from(chunk.subarray(shown)));
  }
}
