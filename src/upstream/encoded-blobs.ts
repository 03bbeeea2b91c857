import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import { contentEncoding, decodingStream } from '../net/content-encoding.ts';
import type { TransportResponse } from '../net/transport.ts';
import { RegistryError } from '../oci/error.ts';
import type { Digest } from '../oci/reference.ts';
import type { BlobReader } from '../oci/registry.ts';
import { bytesOf, wholePart } from './blob-part.ts';
import { EncodedReading, type Reading } from './encoded-reading.ts';

/** A blob's body that comes with a Content-Encoding. */
export interface EncodedAnswer {
  readonly digest: Digest;
  /** With status 200, the whole. */
  readonly response: TransportResponse;
  /** The blob's, if it is known. */
  readonly size: number | undefined;
  /** Asks for the whole again. Throws where the answer is not 200. */
  readonly again: () => Promise<TransportResponse>;
  readonly signal: AbortSignal | undefined;
}

/** So many blobs are remembered. */
const maxBlobs = 1000;
/** How often a body may break off that is read to learn what it is: nothing of it can be resumed. */
const maxCuts = 3;
const firstPauseMs = 200;
/** Reading to learn what it is takes no longer, with all that breaks off: meanwhile it has one of the places for blobs. Milliseconds. */
const maxLearnMs = 30 * 60_000;

/**
 * Blobs that upstream sends with a Content-Encoding, though none was asked for. If the length is the blob's size the bytes are taken as
 * they are. Else the body is read once to learn whether it is the blob as it came or decoded, and nothing of it is given out; then, unless
 * it was small, it is asked for again.
 */
export class EncodedBlobs {
  readonly #readings = new LRUCache<Digest, Omit<Reading, 'bytes'>>({ max: maxBlobs });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Is it known to come encoded? Then a range of it is none of the blob. */
  isEncoded(digest: Digest): boolean {
    return this.#readings.get(digest)?.is === 'decoded';
  }

  /** Throws UNAVAILABLE where it is the blob in neither way. */
  async open(answer: EncodedAnswer): Promise<BlobReader> {
    const { digest, response, size, again, signal } = answer;
    if (!this.isEncoded(digest) && size !== undefined && wholePart(response).length === size) {
      return rawReader(digest, response, size, signal);
    }
    const known = this.#readings.get(digest);
    if (known !== undefined) return readerOf(digest, response, known, signal);
    const reading = await this.#learn(answer);
    const { bytes, ...kept } = reading;
    this.#readings.set(digest, kept);
    if (bytes !== undefined) return smallReader(digest, bytes);
    return readerOf(digest, await again(), kept, signal);
  }

  async #learn({ digest, response, size, again, signal }: EncodedAnswer): Promise<Reading> {
    const giveUpAt = this.#clock.monotonic() + maxLearnMs;
    const checkTime = (): void => {
      if (this.#clock.monotonic() > giveUpAt) throw new TooSlowError(digest);
    };
    for (let next = response, cuts = 0; ; cuts += 1) {
      try {
        return await readingOf({ digest, response: next, size, signal }, checkTime);
      } catch (error) {
        signal?.throwIfAborted();
        if (cuts === maxCuts || error instanceof NeitherWayError || error instanceof TooSlowError)
          throw error;
      }
      await this.#clock.sleep(firstPauseMs * 2 ** cuts, signal);
      next = await again();
    }
  }
}

class NeitherWayError extends RegistryError {
  constructor(digest: Digest) {
    super(
      'UNAVAILABLE',
      `upstream sent wrong bytes with a Content-Encoding: they are ${digest} neither as they are nor decoded`,
    );
  }
}

class TooSlowError extends RegistryError {
  constructor(digest: Digest) {
    const minutes = maxLearnMs / 60_000;
    super('UNAVAILABLE', `${digest} came with a Content-Encoding and took longer than ${minutes} min`, {
      status: 504,
    });
  }
}

/** `onChunk` ends it by what it throws. */
async function readingOf(
  { digest, response, size, signal }: Omit<EncodedAnswer, 'again'>,
  onChunk: () => void,
): Promise<Reading> {
  using reading = new EncodedReading(digest, contentEncoding(response.headers) ?? '', size);
  for await (const chunk of bytesOf(response, wholePart(response), signal)) {
    onChunk();
    await reading.update(chunk);
    if (!reading.isHopeful) break;
  }
  const result = reading.isHopeful ? await reading.result() : undefined;
  if (result === undefined) throw new NeitherWayError(digest);
  return result;
}

/** By what was learnt of it; without an encoding, this time, it is what it is. */
function readerOf(
  digest: Digest,
  response: TransportResponse,
  { is, size }: Omit<Reading, 'bytes'>,
  signal: AbortSignal | undefined,
): BlobReader {
  const encoding = contentEncoding(response.headers);
  if (is === 'raw' || encoding === undefined) return rawReader(digest, response, size, signal);
  return {
    digest,
    size,
    range: undefined,
    body: decoded(response, encoding, size, signal),
    mayKeep: true,
    heldUpMs: response.heldUpMs,
    [Symbol.asyncDispose]: async () => await response[Symbol.asyncDispose](),
  };
}

function rawReader(
  digest: Digest,
  response: TransportResponse,
  size: number,
  signal: AbortSignal | undefined,
): BlobReader {
  return {
    digest,
    size,
    range: undefined,
    body: bytesOf(response, { ...wholePart(response), length: size }, signal),
    mayKeep: true,
    giveBack: response.giveBack,
    heldUpMs: response.heldUpMs,
    [Symbol.asyncDispose]: async () => await response[Symbol.asyncDispose](),
  };
}

function smallReader(digest: Digest, bytes: Buffer): BlobReader {
  const body = (async function* (): AsyncGenerator<Uint8Array> {
    if (bytes.length > 0) yield bytes;
  })();
  return {
    digest,
    size: bytes.length,
    range: undefined,
    body,
    mayKeep: true,
    async [Symbol.asyncDispose]() {},
  };
}

/** Throws UNAVAILABLE for what cannot be decoded, or is another size than was learnt. */
async function* decoded(
  response: TransportResponse,
  encoding: string,
  size: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const decoder = decodingStream(encoding);
  if (decoder === undefined)
    throw new RegistryError('UNAVAILABLE', 'upstream sent an unknown Content-Encoding');
  const source = Readable.from(bytesOf(response, wholePart(response), signal), { objectMode: false });
  const running = pipeline(source, decoder);
  // Its reader is told by the stream itself.
  running.catch(() => undefined);
  let left = size;
  try {
    for await (const chunk of decoder as AsyncIterable<Buffer>) {
      left -= chunk.length;
      if (left < 0) break;
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof RegistryError) throw cause;
    signal?.throwIfAborted();
    throw new RegistryError('UNAVAILABLE', 'upstream sent a body that cannot be decoded', { cause });
  }
  if (left !== 0) throw new RegistryError('UNAVAILABLE', 'the blob of upstream has another size than before');
}
