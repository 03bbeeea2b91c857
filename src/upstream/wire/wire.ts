import type { Transport, TransportRequest, TransportResponse } from '../transport.ts';
import { type UndiciSettings, UndiciTransport } from '../undici-transport.ts';
import { BulkTransport } from './bulk-transport.ts';

/** HTTP/1.1 over sockets: what may be large and take long has connections of its own, so that no manifest waits behind blobs. */
export class Wire implements Transport, AsyncDisposable {
  readonly #bulk: BulkTransport;
  readonly #small: UndiciTransport;

  constructor(settings: UndiciSettings) {
    this.#bulk = new BulkTransport(settings);
    this.#small = new UndiciTransport(settings);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const isBulk = request.bulk === true && request.method === 'GET';
    return await (isBulk ? this.#bulk : this.#small).send(request);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#bulk[Symbol.asyncDispose](), this.#small[Symbol.asyncDispose]()]);
  }
}
