import type { TransportResponse } from './transport.ts';

/** A response whose body was read; `isCut`: it broke off, and does so again, behind what came, for whoever reads the response. */
export interface Received {
  readonly response: TransportResponse;
  readonly isCut: boolean;
}

/**
 * Reads a small body, so that whoever asked for it can ask again when it breaks off. Never throws. What is longer than `maxBytes` is
 * not held: its reader gets the rest as it comes, and judges. `onBytes` is told whenever some have come.
 */
export async function received(
  response: TransportResponse,
  maxBytes: number,
  onBytes: () => void = () => {},
): Promise<Received> {
  if (Number(response.headers['content-length']) > maxBytes) return { response, isCut: false };
  const chunks: Buffer[] = [];
  const rest = response.body[Symbol.asyncIterator]();
  try {
    for (let size = 0; size <= maxBytes; ) {
      const next = await rest.next();
      if (next.done === true) return { response: { ...response, body: again(chunks) }, isCut: false };
      onBytes();
      chunks.push(next.value);
      size += next.value.length;
    }
    return { response: { ...response, body: again(chunks, rest) }, isCut: false };
  } catch (error) {
    return { response: { ...response, body: broken(chunks, error) }, isCut: true };
  }
}

async function* again(chunks: readonly Buffer[], rest?: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield* chunks;
  if (rest !== undefined) yield* { [Symbol.asyncIterator]: () => rest };
}

async function* broken(chunks: readonly Buffer[], error: unknown): AsyncGenerator<Buffer> {
  yield* chunks;
  throw error;
}
