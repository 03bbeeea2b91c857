import { Stopwatch } from '../../base/stopwatch.ts';
import {
  holding,
  type Transport,
  type TransportRequest,
  type TransportResponse,
} from '../../net/transport.ts';
import type { Bandwidth } from './bandwidth.ts';

/**
 * Large bodies come no faster than the bandwidth allows, all of them together. What is not taken yet stays with the transport
 * inside, whose socket is not read meanwhile: it holds no memory, and its stall timeout does not run.
 */
export class ThrottledTransport implements Transport {
  readonly #next: Transport;
  readonly #bandwidth: Bandwidth;

  constructor(next: Transport, bandwidth: Bandwidth) {
    this.#next = next;
    this.#bandwidth = bandwidth;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const response = await this.#next.send(request);
    return request.bulk === true ? throttled(response, this.#bandwidth, request.signal) : response;
  }
}

function throttled(
  response: TransportResponse,
  bandwidth: Bandwidth,
  signal: AbortSignal | undefined,
): TransportResponse {
  const disposed = new AbortController();
  const ended = signal === undefined ? disposed.signal : AbortSignal.any([signal, disposed.signal]);
  const heldUp = new Stopwatch(bandwidth.clock);
  const body = inTurn(response.body, bandwidth, heldUp, ended);
  return holding({ ...response, body, heldUpMs: () => heldUp.milliseconds }, () => disposed.abort());
}

/** In slices, which may be given back one by one as well as the chunk. */
async function* inTurn(
  body: AsyncIterable<Buffer>,
  bandwidth: Bandwidth,
  heldUp: Stopwatch,
  ended: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += bandwidth.slice) {
      const slice = chunk.subarray(at, at + bandwidth.slice);
      heldUp.start();
      await bandwidth.take(slice.length, ended);
      heldUp.stop();
      yield slice;
    }
  }
}
