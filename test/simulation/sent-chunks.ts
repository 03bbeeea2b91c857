import type { SentBytes } from '#src/oci/pushes.ts';
import { LeftError } from './exchanges.ts';
import type { Life } from './life.ts';

/** Of a body, as it comes from a socket. Bytes. */
const chunkBytes = 20_000;

/** How a client sends bytes. */
export interface Sending {
  readonly bytes: Uint8Array;
  /** Between two pieces; 0 is at once. Milliseconds. */
  readonly chunkMs: number;
  /** Its connection breaks behind so many. */
  readonly breaksAt?: number | undefined;
  /** Where it says that they begin. */
  readonly at?: number | undefined;
  /** It says how many there are. */
  readonly saysLength: boolean;
}

/** As the handlers hand on what comes. */
export function sentBytes(sending: Sending, life: Life, signal: AbortSignal): SentBytes {
  const { bytes, at, saysLength } = sending;
  return { chunks: chunksOf(sending, life, signal), at, length: saysLength ? bytes.length : undefined };
}

async function* chunksOf(
  { bytes, chunkMs, breaksAt = Number.POSITIVE_INFINITY }: Sending,
  life: Life,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    if (chunkMs > 0) await life.pause(chunkMs, undefined);
    signal.throwIfAborted();
    if (at >= breaksAt) throw new LeftError();
    yield bytes.subarray(at, Math.min(bytes.length, at + chunkBytes));
  }
}
