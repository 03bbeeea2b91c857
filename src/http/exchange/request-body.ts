import type { Clock } from '../../base/clock.ts';
import { RegistryError } from '../../oci/error.ts';
import { callForBody, isAwaited } from './awaited-body.ts';
import { ClientGoneError, type Exchange } from './exchange.ts';

/** A client that sends nothing for so long has gone. Milliseconds. */
const idleMs = 60_000;
/** Of what nobody reads so much is taken, in so long a time, that whoever sends it hears why. Bytes, milliseconds. */
const drainedBytes = 8 * 1024 * 1024;
const drainMs = 3000;

/** Does it have a body, by its headers (RFC 9112 section 6.3)? */
export function hasBody({ request: { headers } }: Exchange): boolean {
  const length = headers['content-length'];
  return headers['transfer-encoding'] !== undefined || (length !== undefined && Number(length) !== 0);
}

/** How long it will be; undefined: that is said in its end. */
export function lengthOf({ request: { headers } }: Exchange): number | undefined {
  const length = headers['content-length'];
  return length === undefined || headers['transfer-encoding'] !== undefined ? undefined : Number(length);
}

/**
 * A request's body, as it comes. `wholeMs`: how long all of it may take. Throws ClientGoneError where it breaks off, and UNAVAILABLE (408) where nothing comes any
 * more, or not all in time.
 */
export async function* sentChunks(
  { request, response, clock }: Exchange,
  wholeMs = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  callForBody(request, response);
  const chunks: AsyncIterator<Uint8Array, unknown> = request.iterator({ destroyOnReturn: false });
  const until = clock.monotonic() + wholeMs;
  try {
    for (;;) {
      const left = until - clock.monotonic();
      const next = await (left < idleMs
        ? inTime(chunks.next(), clock, Math.max(left, 0), () => notWhole(wholeMs))
        : inTime(chunks.next(), clock, idleMs, tooSlow));
      if (next.done === true) return;
      yield next.value;
    }
  } catch (cause) {
    if (!(cause instanceof RegistryError)) throw new ClientGoneError({ cause });
    response.setHeader('Connection', 'close');
    throw cause;
  } finally {
    // Not waited for: what it waits for may never come.
    chunks.return?.().catch(() => {});
  }
}

/** Throws UNAVAILABLE (408). */
async function inTime<Value>(
  work: Promise<Value>,
  clock: Clock,
  milliseconds: number,
  tooLate: () => RegistryError,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  using _ = clock.after(milliseconds, () => late.reject(tooLate()));
  return await Promise.race([work, late.promise]);
}

/** All of it. Throws as {@link sentChunks}, and what `tooLarge` says. */
export async function sentWhole(
  exchange: Exchange,
  maxBytes: number,
  tooLarge: () => RegistryError,
  wholeMs?: number,
): Promise<Uint8Array> {
  if ((lengthOf(exchange) ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of sentChunks(exchange, wholeMs)) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/**
 * To be called before an answer that does not need the rest of a body: some of it is taken and thrown away, for whoever still sends does not read. What is
 * longer ends the connection with the answer.
 */
export async function drained({ request, response, clock }: Exchange): Promise<void> {
  if (request.complete && request.readableLength === 0) return;
  if (request.destroyed || isAwaited(request)) return;
  let left = drainedBytes;
  const over = Promise.withResolvers<void>();
  using _ = clock.after(drainMs, over.resolve);
  const take = ({ length }: Uint8Array): void => {
    left -= length;
    if (left < 0) over.resolve();
  };
  request.on('data', take).once('end', over.resolve).once('close', over.resolve);
  await over.promise;
  request.off('data', take);
  if (request.complete) return;
  request.pause();
  response.setHeader('Connection', 'close');
}

function tooSlow(): RegistryError {
  return new RegistryError('UNAVAILABLE', 'nothing more has come for a minute', { status: 408 });
}

function notWhole(milliseconds: number): RegistryError {
  return new RegistryError('UNAVAILABLE', `the body did not come within ${milliseconds / 1000} s`, {
    status: 408,
  });
}
