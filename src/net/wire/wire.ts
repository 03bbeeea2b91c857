import type { Transport, TransportRequest, TransportResponse } from '../transport.ts';
import { HttpTransport, patienceOf, type WireSettings } from './http-transport.ts';
import { ReceiveBuffers } from './receive-buffer.ts';

/** HTTP/1.1 over sockets: what may be large and take long has connections of its own, so that no manifest waits behind blobs. */
export class Wire implements Transport, AsyncDisposable {
  readonly #bulk: HttpTransport;
  readonly #small: HttpTransport;

  /** `buffers`: those of the process. */
  constructor(settings: WireSettings, buffers = new ReceiveBuffers()) {
    const patience = patienceOf(settings);
    // Received into large buffers that are used again, a blob costs a fifth for each byte. A manifest would occupy one for itself.
    this.#bulk = new HttpTransport(settings, { patience, buffers });
    this.#small = new HttpTransport(settings, { patience });
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const isBulk = request.bulk === true && request.method === 'GET';
    return await (isBulk ? this.#bulk : this.#small).send(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const transports = [this.#bulk, this.#small];
    await Promise.all(transports.map(async (transport) => await transport[Symbol.asyncDispose]()));
  }
}
