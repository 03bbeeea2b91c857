import { NoRoom } from '../oci/busy.ts';
import type { AnswerRoom } from '../oci/registry.ts';
import { holding, type TransportResponse } from './transport.ts';

/**
 * What is read takes so many times its bytes until something was made of it: what came and what it was put together to, a copy for the thread that
 * parses it, what that answers with and the entries.
 */
export const timesWhileRead = 4;
/** A body without a length may be as long as any from here on. Bytes. */
const maySurprise = 16 * 1024;

/** A response whose body was read; `isCut`: it broke off, and does so again, behind what came, for whoever reads the response. */
export interface Received {
  readonly response: TransportResponse;
  readonly isCut: boolean;
}

/**
 * Reads a small body, so that whoever asked for it can ask again when it breaks off. What is longer than `maxBytes` is not held: its reader
 * gets the rest as it comes, and judges. `onBytes` is told whenever some have come. A share of `room` is held until the response is disposed of. Throws
 * {@link NoRoom} alone, before there is more to hold than there is room for; the response is disposed of then.
 */
export async function received(
  response: TransportResponse,
  maxBytes: number,
  room: AnswerRoom,
  onBytes: () => void = () => {},
): Promise<Received> {
  const length = response.headers['content-length'];
  const announced = length === undefined ? undefined : Number(length);
  if (announced !== undefined && announced > maxBytes) return { response, isCut: false };
  const chunks: Buffer[] = [];
  const rest = response.body[Symbol.asyncIterator]();
  const share = room.share();
  const made = (body: AsyncIterable<Buffer>, isCut = false): Received => ({
    response: holding({ ...response, body }, () => share[Symbol.dispose]()),
    isCut,
  });
  const need = (size: number): number =>
    timesWhileRead * (announced ?? (size > maySurprise ? maxBytes : size));
  let size = 0;
  let isCovered = room.cover(need(size));
  try {
    while (isCovered && size <= maxBytes) {
      const next = await rest.next();
      if (next.done === true) return made(again(chunks));
      onBytes();
      chunks.push(next.value);
      size += next.value.length;
      isCovered = room.cover(need(size));
    }
  } catch (error) {
    return made(broken(chunks, error), true);
  }
  if (isCovered) return made(again(chunks, rest));
  share[Symbol.dispose]();
  await response[Symbol.asyncDispose]();
  throw new NoRoom(need(size));
}

async function* again(chunks: readonly Buffer[], rest?: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
  if (rest !== undefined) yield* { [Symbol.asyncIterator]: () => rest };
}

async function* broken(chunks: readonly Buffer[], error: unknown): AsyncGenerator<Buffer> {
  yield* chunks;
  throw error;
}
