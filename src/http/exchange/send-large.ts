import { largeAnswers } from '../../base/room.ts';
import { RegistryError } from '../../oci/error.ts';
import type { Exchange } from './exchange.ts';
import { BodyWriter } from './send-body.ts';

/** Whoever takes hardly anything for so long has his memory taken away where others wait for it. Milliseconds. */
const patienceMs = 10_000;
/** So often: whoever takes all of it in five minutes does not take hardly anything. A few who drip would else keep all from all others. */
const patienceForAll = 30;

/**
 * Sends a body that is in memory, piece by piece as the client takes it, or its headers alone to a HEAD. Throws ClientGoneError; UNAVAILABLE where the
 * client hardly takes any of it while others wait for room: then the answer is broken off.
 */
export async function sendLarge(
  exchange: Exchange,
  contentType: string,
  pieces: readonly Uint8Array[],
): Promise<void> {
  const { response } = exchange;
  const length = lengthOf(pieces);
  response.setHeader('Content-Type', contentType);
  response.setHeader('Content-Length', length);
  if (exchange.isHead) {
    response.end();
    return;
  }
  using patience = new Patience(exchange, length);
  const writer = new BodyWriter(exchange);
  try {
    for (const piece of pieces) await writer.write(piece);
  } catch (error) {
    throw patience.lost ?? error;
  }
  writer.end();
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

class Patience implements Disposable {
  /** Why it was broken off. */
  lost: RegistryError | undefined;
  readonly #exchange: Exchange;
  /** Of the body. */
  readonly #length: number;
  #bytes = 0;
  #timer: Disposable;

  constructor(exchange: Exchange, length: number) {
    this.#exchange = exchange;
    this.#length = length;
    this.#timer = this.#later();
  }

  #later(): Disposable {
    return this.#exchange.clock.after(patienceMs, () => this.#look());
  }

  #look(): void {
    const { bytes, response } = this.#exchange;
    const least = Math.min(this.#length / patienceForAll, this.#length - this.#bytes);
    const isStuck = bytes - this.#bytes < least;
    this.#bytes = bytes;
    if (isStuck && largeAnswers.waiting > 0) {
      this.lost = new RegistryError(
        'UNAVAILABLE',
        'the client took hardly anything while others waited for memory',
      );
      response.destroy();
    } else this.#timer = this.#later();
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
  }
}
