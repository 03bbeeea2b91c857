import { RegistryError } from '../oci/error.ts';
import { connectionError } from './connection-error.ts';
import type { TransportResponse } from './transport.ts';

/** A small body that is not whole after so long never will be: it drips to hold us up. Milliseconds. */
const maxReadMs = 120_000;

export interface ReadLimits {
  readonly maxBytes: number;
  /** For the message. */
  readonly what: string;
  /** What a longer one is thrown as. Default: UNAVAILABLE, since upstream makes no sense. */
  readonly tooLarge?: (message: string) => RegistryError;
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds of any clock that does not jump. */
  readonly now?: () => number;
}

/**
 * The whole body. Throws `tooLarge`: longer than `maxBytes`; UNAVAILABLE: shorter than announced, broken off, two minutes under way (504);
 * the signal's reason.
 */
export async function readBody(
  response: TransportResponse,
  { maxBytes, what, signal, tooLarge = unavailable, now = () => performance.now() }: ReadLimits,
): Promise<Buffer> {
  const longer = () => tooLarge(`${what} too large: more than ${maxBytes} bytes`);
  if (Number(response.headers['content-length']) > maxBytes) throw longer();
  const chunks: Buffer[] = [];
  let size = 0;
  const giveUpAt = now() + maxReadMs;
  for await (const chunk of chunksOf(response, signal)) {
    size += chunk.length;
    if (size > maxBytes) throw longer();
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

function unavailable(message: string): RegistryError {
  return new RegistryError('UNAVAILABLE', message);
}

function tooSlow(what: string): RegistryError {
  return new RegistryError('UNAVAILABLE', `${what} took longer than ${maxReadMs / 1000} s`, { status: 504 });
}
