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
 * A request's body, as it comes. `withinMs`: of whoever is not known yet all of it is waited for so long; default: as long as something comes. Throws
 * ClientGoneError where it breaks off, and UNAVAILABLE (408) where it is waited for no longer.
 */
export async function* sentChunks(
  { request, response, clock }: Exchange,
  withinMs = Number.POSITIVE_INFINITY,
): AsyncGenerator<Uint8Array> {
  const endsAt = clock.monotonic() + withinMs;
  callForBody(request, response);
  const chunks: AsyncIterator<Uint8Array, unknown> = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await inTime(chunks.next(), Math.min(idleMs, endsAt - clock.monotonic()), clock);
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
async function inTime<Value>(work: Promise<Value>, milliseconds: number, clock: Clock): Promise<Value> {
  const late = Promise.withResolvers<never>();
  using _ = clock.after(Math.max(0, milliseconds), () => late.reject(tooSlow()));
  return await Promise.race([work, late.promise]);
}

/** All of it. Throws as {@link sentChunks}, and what `tooLarge` says. */
export async function sentWhole(
  exchange: Exchange,
  maxBytes: number,
  tooLarge: () => RegistryError,
  withinMs?: number,
): Promise<Uint8Array> {
  if ((lengthOf(exchange) ?? 0) > maxBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of sentChunks(exchange, withinMs)) {
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
  return new RegistryError('UNAVAILABLE', 'it has not come within a minute', { status: 408 });
}
