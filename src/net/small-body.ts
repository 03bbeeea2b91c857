import { tooMuchRead } from '../oci/busy.ts';
import type { HeldBody } from './held-bodies.ts';
import { holding, type TransportResponse } from './transport.ts';

/** A response whose body was read; `isCut`: it broke off, and does so again, behind what came, for whoever reads the response. */
export interface Received {
  readonly response: TransportResponse;
  readonly isCut: boolean;
}

/**
 * Reads a small body, so that whoever asked for it can ask again when it breaks off. What is longer than `maxBytes` is not held: its reader
 * gets the rest as it comes, and judges. `onBytes` is told whenever some have come. `held` is disposed of with the response. Throws
 * UNAVAILABLE (503) alone, where there is no room to hold it; the response is disposed of then.
 */
export async function received(
  response: TransportResponse,
  maxBytes: number,
  held: HeldBody,
  onBytes: () => void = () => {},
): Promise<Received> {
  if (Number(response.headers['content-length']) > maxBytes) return { response, isCut: false };
  const chunks: Buffer[] = [];
  const rest = response.body[Symbol.asyncIterator]();
  const made = (body: AsyncIterable<Buffer>, isCut = false): Received => ({
    response: holding({ ...response, body }, () => held[Symbol.dispose]()),
    isCut,
  });
  try {
    for (let size = 0; size <= maxBytes; ) {
      const next = await rest.next();
      if (next.done === true) return made(again(chunks));
      onBytes();
      chunks.push(next.value);
      size += next.value.length;
      if (!held.add(next.value.length)) break;
    }
  } catch (error) {
    return made(broken(chunks, error), true);
  }
  if (!held.isRefused) return made(again(chunks, rest));
  held[Symbol.dispose]();
  await response[Symbol.asyncDispose]();
  throw tooMuchRead();
}

async function* again(chunks: readonly Buffer[], rest?: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
  if (rest !== undefined) yield* { [Symbol.asyncIterator]: () => rest };
}

async function* broken(chunks: readonly Buffer[], error: unknown): AsyncGenerator<Buffer> {
  yield* chunks;
  throw error;
}
