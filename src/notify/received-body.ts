import type { IncomingMessage } from 'node:http';
import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { callForBody } from '../http/exchange/awaited-body.ts';
import type { Exchange } from '../http/exchange/exchange.ts';
import { RegistryError } from '../oci/error.ts';

export interface BodyLimits {
  readonly maxBytes: number;
  /** From now to its end. Milliseconds. */
  readonly milliseconds: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The body of a request that is not encoded. Throws UNSUPPORTED (413, 408, 415), the signal's reason, or what broke the connection. */
export async function receivedBody(
  { request, response }: Pick<Exchange, 'request' | 'response'>,
  { maxBytes, milliseconds, clock, signal }: BodyLimits,
): Promise<Buffer> {
  const { 'content-length': length, 'content-encoding': encoding = 'identity' } = request.headers;
  if (encoding !== 'identity') throw refused(415, 'the body must not be encoded');
  if (Number(length ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const over = new AbortController();
  callForBody(request, response);
  using _limit = clock.after(milliseconds, () => over.abort(late(milliseconds)));
  return await abortable(collected(request, maxBytes), AbortSignal.any([signal, over.signal]));
}

/** Whoever is answered in the middle of his body is to get that answer. */
async function collected(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    size += (chunk as Buffer).length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks, size);
}

function tooLarge(maxBytes: number): RegistryError {
  return refused(413, `the body is larger than ${maxBytes} bytes`);
}

function late(milliseconds: number): RegistryError {
  return refused(408, `the body did not come within ${milliseconds / 1000} s`);
}

/** What is left of the body is not read. */
function refused(status: number, message: string): RegistryError {
  return new RegistryError('UNSUPPORTED', message, { status, headers: { Connection: 'close' } });
}
