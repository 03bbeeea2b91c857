import type { ProxyChoice } from '../proxy/proxy-choice.ts';
import type { Transport, TransportRequest, TransportResponse } from '../transport/transport.ts';
import { BulkTransport } from './bulk-transport.ts';
import { type UndiciSettings, UndiciTransport } from './undici-transport.ts';

/** HTTP/1.1 over sockets: what may be large and take long has connections of its own, so that no manifest waits behind blobs. */
export class Wire implements Transport, AsyncDisposable {
  readonly #bulk: BulkTransport;
  readonly #small: UndiciTransport;
  /** Through a tunnel Node hands out bytes in chunks of its own, so that receiving into our buffers is not to be had there. */
  readonly #proxiedBulk: UndiciTransport;
  readonly #proxies: ProxyChoice;

  constructor(settings: UndiciSettings) {
    this.#bulk = new BulkTransport(settings);
    this.#small = new UndiciTransport(settings);
    this.#proxiedBulk = new UndiciTransport(settings);
    this.#proxies = settings.proxies;
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    return await this.#transportOf(request).send(request);
  }

  #transportOf({ bulk, method, url }: TransportRequest): Transport {
    if (bulk !== true || method !== 'GET') return this.#small;
    return this.#proxies.of(url) === undefined ? this.#bulk : this.#proxiedBulk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const transports = [this.#bulk, this.#small, this.#proxiedBulk];
    await Promise.all(transports.map(async (transport) => await transport[Symbol.asyncDispose]()));
  }
}
