import { connectionError, isTransient } from '../connection/connection-error.ts';
import { drainedBytes } from '../connection/connection-limits.ts';
import type { Transport, TransportRequest, TransportResponse } from '../transport/transport.ts';
import { BulkPool, type Lease } from './bulk-pool.ts';
import { ReceiveBuffers } from './receive-buffer.ts';
import { requestHead } from './request-head.ts';
import type { ResponseHead } from './response-head.ts';
import type { ResponseReader } from './response-reader.ts';
import type { UndiciSettings } from './undici-transport.ts';

/**
 * The wire for large bodies: GETs over sockets that receive into large buffers, at a fifth of what a general client
 * costs for each byte. It neither follows redirects nor decodes bodies.
 */
export class BulkTransport implements Transport, AsyncDisposable {
  readonly #buffers = new ReceiveBuffers();
  readonly #pool: BulkPool;
  readonly #settings: UndiciSettings;
  readonly #headers: Readonly<Record<string, string>>;

  constructor(settings: UndiciSettings) {
    this.#settings = settings;
    this.#headers = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity' };
    this.#pool = new BulkPool({ ...settings, buffers: this.#buffers }, settings.maxConcurrent);
  }

  async send(request: TransportRequest): Promise<TransportResponse> {
    const { url, signal } = request;
    signal?.throwIfAborted();
    this.#settings.guard.checkUrl(url);
    try {
      const text = requestHead(request, { ...request.headers, ...this.#headers });
      return (await this.#try(text, request, false)) ?? (await this.#try(text, request, true)) ?? never();
    } catch (error) {
      signal?.throwIfAborted();
      throw connectionError(url, error);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pool[Symbol.dispose]();
  }

  /** Undefined: a connection that was kept had been closed by the peer, so nothing has come of it. */
  async #try(
    text: string,
    { url, signal }: TransportRequest,
    fresh: boolean,
  ): Promise<TransportResponse | undefined> {
    const lease = await this.#pool.lease(url, signal, fresh);
    const { headersTimeoutMs, stallTimeoutMs } = this.#settings;
    const done = () => lease[Symbol.dispose]();
    const settings = { headersTimeoutMs, stallTimeoutMs, signal, done };
    const reader = lease.connection.exchange(text, settings);
    try {
      return this.#response(await reader.head, reader, lease, url);
    } catch (error) {
      if (lease.isReused && !reader.hasBegun && isTransient(connectionError(url, error))) return undefined;
      throw error;
    }
  }

  #response(
    { status, headers }: ResponseHead,
    reader: ResponseReader,
    { connection }: Lease,
    url: URL,
  ): TransportResponse {
    return {
      status,
      headers,
      url,
      body: reader.body,
      giveBack: (chunk) => this.#buffers.giveBack(chunk),
      async [Symbol.asyncDispose]() {
        connection.leave(reader, !reader.body.isRead && Number(headers['content-length']) <= drainedBytes);
      },
    };
  }
}

function never(): never {
  throw new Error('a fresh connection is not tried twice');
}
