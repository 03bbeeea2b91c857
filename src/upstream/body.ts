import { RegistryError } from '../oci/error.ts';
import { connectionError } from './connection/connection-error.ts';
import type { TransportResponse } from './transport/transport.ts';

/** A small body that is not whole after so long never will be: it drips to hold us up. Milliseconds. */
const maxReadMs = 120_000;

export interface ReadLimits {
  readonly maxBytes: number;
  /** For the message. */
  readonly what: string;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of any clock that does not jump. */
  readonly now?: () => number;
}

/**
 * The whole body. Throws UNAVAILABLE: longer than `maxBytes`, shorter than announced, broken off, two minutes under way (504);
 * the signal's reason.
 */
export async function readBody(
  response: TransportResponse,
  { maxBytes, what, signal, now = () => performance.now() }: ReadLimits,
): Promise<Buffer> {
  if (Number(response.headers['content-length']) > maxBytes) throw tooLarge(what, maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  const giveUpAt = now() + maxReadMs;
  for await (const chunk of chunksOf(response, signal)) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(what, maxBytes);
    if (now() > giveUpAt) throw tooSlow(what);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

/** At most `maxBytes` of a body that only explains something. Never throws. */
export async function readSome(response: TransportResponse, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of chunksOf(response)) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= maxBytes) break;
    }
  } catch {
    // What came before is enough.
  }
  return Buffer.concat(chunks).subarray(0, maxBytes);
}

/** The body's chunks; what breaks it is UNAVAILABLE with the cause (504: it stalled), or the signal's reason. */
export async function* chunksOf(
  { body, url }: TransportResponse,
  signal?: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of body) yield chunk;
  } catch (error) {
    signal?.throwIfAborted();
    throw connectionError(url, error);
  }
}

function tooLarge(what: string, maxBytes: number): RegistryError {
  return new RegistryError('UNAVAILABLE', `${what} too large: more than ${maxBytes} bytes`);
}

function tooSlow(what: string): RegistryError {
  return new RegistryError('UNAVAILABLE', `${what} took longer than ${maxReadMs / 1000} s`, { status: 504 });
}
